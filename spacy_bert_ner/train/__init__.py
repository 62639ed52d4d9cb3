"""Config → trained pipeline: planned, logged, resumable."""
