"""The pipeline component `bert_ner`, and what it needs before it."""
