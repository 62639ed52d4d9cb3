"""The file formats, in and out, and every format error. No other room knows them."""
