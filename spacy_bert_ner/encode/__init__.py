"""Wordpieces → one vector for each spaCy token."""
