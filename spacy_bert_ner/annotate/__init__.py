"""Label any amount of text with a pipeline: part by part, resumable, on any engine."""
