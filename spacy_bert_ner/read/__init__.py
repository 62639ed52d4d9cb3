"""The file formats, and every format error: a file → sentences. No other room knows them."""

from collections.abc import Iterator

from .sentence import FormatError, Note, Notes, Sentence
from .source import Source, open_source
from .token_rows import read_token_rows

__all__ = ["FormatError", "Note", "Notes", "Sentence", "Source", "open_source", "read_sentences"]


def read_sentences(source: Source, *, notes: Notes | None = None) -> Iterator[Sentence]:
    """Read a file's sentences, whatever its format."""
    yield from read_token_rows(source, notes=notes if notes is not None else Notes())
