"""A trained pipeline → wheels, tried in clean environments."""
