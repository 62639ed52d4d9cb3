"""A pipeline → a server that answers many clients: one batch for all, limits, a page to try it."""
