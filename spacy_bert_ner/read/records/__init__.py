"""Records of JSON and Parquet (texts with offsets, lists of words) ↔ sentences."""
