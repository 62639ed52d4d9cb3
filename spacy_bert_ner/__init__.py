"""BIO data in, a shippable BERT entity recogniser for spaCy out."""

from importlib.metadata import version

from .manifest import load

__all__ = ["__version__", "load"]
__version__ = version("spacy-bert-ner")
