"""Records of JSON and Parquet, texts with offsets or lists of words ↔ sentences."""
