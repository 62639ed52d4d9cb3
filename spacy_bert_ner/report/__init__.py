"""Numbers → pages, tables and pictures for people."""
