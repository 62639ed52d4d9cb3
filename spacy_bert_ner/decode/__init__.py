"""Tag scores → the best valid path → entities with probabilities, written to the doc."""
