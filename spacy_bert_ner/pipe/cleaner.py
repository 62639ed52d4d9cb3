"""A doc → the same doc without the transformer's output: the factory `trf_data_cleaner`."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..encode.trf_data import TRF_DATA


@Language.factory("trf_data_cleaner", assigns=["doc._.trf_data"], retokenizes=False)
def make_trf_data_cleaner(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """Create the component of the factory `trf_data_cleaner`.

    Like spaCy's `doc_cleaner`, it removes `doc._.trf_data`, so that docs in memory hold
    no tensors. But `doc_cleaner` also sets `doc.tensor` to `None`, whatever the config
    says, which breaks `doc.vector`, `doc.similarity` and `ent.as_doc()`.

    RETURNS (Callable[[Doc], Doc]): The component.
    """
    return clean_trf_data


def clean_trf_data(doc: Doc) -> Doc:
    """Remove the transformer's output from a doc.

    doc (Doc): The doc; it is changed.
    RETURNS (Doc): The doc.
    """
    stored: dict[Any, Any] = doc.user_data
    stored.pop(TRF_DATA, None)
    return doc
