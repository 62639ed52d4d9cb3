"""Config → trained pipeline: planned, logged and resumable."""
