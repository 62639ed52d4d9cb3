"""BIO data in, a shippable BERT entity recogniser for spaCy out."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

__version__ = version("spacy-bert-ner")


def load(name: str | Path, **options: Any) -> "Language":
    """Load a model as `spacy.load` does, after checking its files and versions.

    name (str | Path): A model folder, or the name of an installed model package.
    **options (Any): Options of `spacy.load`.
    RETURNS (Language): The pipeline.
    RAISES (FileNotFoundError): If there is no such model.
    RAISES (BrokenModelError): If a file is missing, truncated or changed, or a version
        does not fit; see `spacy_bert_ner.manifest.load_checked`.
    """
    # Imported late, because most modules of this package need neither spaCy nor torch.
    from .manifest import load_checked

    return load_checked(name, **options)
