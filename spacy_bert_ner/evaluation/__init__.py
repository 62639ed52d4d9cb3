"""A trained pipeline and gold docs → every number, reconciled → one report."""
