"""A model and its data → which labels are wrong, and what to annotate next."""
