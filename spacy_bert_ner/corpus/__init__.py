"""Files of any format, or DocBins → the examples and batches of a training run."""
