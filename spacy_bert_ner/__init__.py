"""BIO data in, a shippable BERT entity recogniser for spaCy out."""

from importlib.metadata import version

__version__ = version("spacy-bert-ner")
