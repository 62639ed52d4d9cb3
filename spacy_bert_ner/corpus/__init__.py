"""Files of any format, or DocBins → the examples and batches that a training reads."""
