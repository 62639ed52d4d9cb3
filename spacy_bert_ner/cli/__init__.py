"""The sub-commands of `python -m spacy bert-ner`, one file each."""
