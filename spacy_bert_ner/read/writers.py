"""Docs → a file in one of the formats that we write: `.spacy`, `.jsonl` or `.conll`."""

import json
from pathlib import Path
from typing import Protocol

from .columns import doc_to_columns
from .docbin import DocBinWriter
from .records import doc_to_spacy
from .sentence import DocData

OUTPUT_SUFFIXES = (".spacy", ".jsonl", ".conll")
"""Endings of the files that can be written."""


class Writer(Protocol):
    """Takes docs one by one; the file appears under its name at `close`."""

    def add(self, doc: DocData) -> None:
        """Add a doc."""

    def close(self) -> None:
        """Write the rest and give the file its name."""

    def discard(self) -> None:
        """Give up: leave no file behind. After `close` it does nothing."""


class TextWriter:
    """Write JSON lines or columns, doc by doc.

    path (Path): The file; its ending tells the format.
    """

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("w", encoding="utf8", newline="\n")

    def add(self, doc: DocData) -> None:
        """Add a doc."""
        if self.path.suffix == ".jsonl":
            self._file.write(json.dumps(doc_to_spacy(doc), ensure_ascii=False) + "\n")
        else:
            self._file.write(doc_to_columns(doc))

    def close(self) -> None:
        """Write the rest and give the file its name."""
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Give up: leave no file behind. After `close` it does nothing."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def open_writer(path: Path, *, n_tokens: int) -> Writer:
    """Open a file for docs; its ending tells the format.

    path (Path): The file to write.
    n_tokens (int): Tokens that will be added in all.
    RETURNS (Writer): Takes the docs.
    RAISES (ValueError): If the ending is none of `OUTPUT_SUFFIXES`.
    """
    if path.suffix == ".spacy":
        return DocBinWriter(path, n_tokens=n_tokens)
    if path.suffix in OUTPUT_SUFFIXES:
        return TextWriter(path)
    raise ValueError(f"{path}: expected a file ending in {', '.join(OUTPUT_SUFFIXES)}.")
