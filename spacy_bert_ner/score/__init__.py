"""Found and gold entities → precision, recall, F1; probabilities that hold; thresholds."""
