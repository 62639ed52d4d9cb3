"""Files of words and tags in rows and lines ↔ sentences."""
