"""BIO sentences → docs with natural spacing, split without leaks, and a report of the findings."""
