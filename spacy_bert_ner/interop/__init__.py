"""Hugging Face token-classification checkpoints ↔ spaCy pipelines."""
