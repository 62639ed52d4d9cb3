"""The pipeline component `bert_ner`, and what has to stand before it."""
