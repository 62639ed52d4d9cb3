"""The factory `trf_data_cleaner`: docs lose the transformer's output and keep the rest."""

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc


@Language.factory("trf_data_cleaner", assigns=["doc._.trf_data"], retokenizes=False)
def make_trf_data_cleaner(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """Make the component; the factory is named `trf_data_cleaner`.

    It does what spaCy's `doc_cleaner` does for `doc._.trf_data`: docs that are kept in
    memory hold no tensors. spaCy's also sets `doc.tensor` to `None`, whatever the config
    says, and then `doc.vector`, `doc.similarity` and `ent.as_doc()` fail.

    RETURNS (Callable[[Doc], Doc]): The component.
    """
    return clean_trf_data


def clean_trf_data(doc: Doc) -> Doc:
    """Remove the transformer's output from a doc.

    doc (Doc): The doc; it is changed.
    RETURNS (Doc): The doc.
    """
    if doc.has_extension("trf_data"):
        doc._.trf_data = None
    return doc
