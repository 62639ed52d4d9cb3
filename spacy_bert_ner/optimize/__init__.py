"""Gradients → one step for all weights; steps → learning rates."""
