"""Gradients → one step for all weights; learning rates over the training."""
