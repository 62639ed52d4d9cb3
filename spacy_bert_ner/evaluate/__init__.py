"""A trained pipeline and gold docs → every number of the report, reconciled."""
