"""A doc → what the transformer has left in it, without the detour by spaCy's extensions."""

from typing import Any

from spacy.tokens import Doc

TRF_DATA = ("._.", "trf_data", None, None)
"""Where spaCy keeps `doc._.trf_data` in `doc.user_data`."""


def get_trf_data(doc: Doc) -> Any:
    """RETURNS (TransformerData | None): `doc._.trf_data`, in a tenth of the time."""
    stored: dict[Any, Any] = doc.user_data
    return stored.get(TRF_DATA)
