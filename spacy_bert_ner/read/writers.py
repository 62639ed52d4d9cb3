"""Docs → a file in one of the formats that we write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..schemes import spans_to_tags
from .columns.column_survey import DOCSTART
from .docbin import DocBinWriter
from .records.from_docs import (
    Record,
    doc_to_doccano,
    doc_to_label_studio,
    doc_to_prodigy,
    doc_to_spacy,
    doc_to_tokens,
)
from .sentence import DocData, Notes

WRITTEN_FORMATS = {
    "spacy": ".spacy",
    "spacy-jsonl": ".jsonl",
    "conll": ".conll",
    "label-studio": ".json",
    "prodigy": ".jsonl",
    "doccano": ".jsonl",
    "hf-tokens": ".jsonl",
}
"""Formats that can be written, and how their files end; an ending means its first format."""

OUTPUT_SUFFIXES = tuple(dict.fromkeys(WRITTEN_FORMATS.values()))
"""Endings of the files that can be written."""

_RECORDS: dict[str, Callable[[DocData], Record]] = {
    "spacy-jsonl": doc_to_spacy,
    "label-studio": doc_to_label_studio,
    "prodigy": doc_to_prodigy,
    "doccano": doc_to_doccano,
    "hf-tokens": doc_to_tokens,
}
_KEEP_GROUPS = ("spacy", "spacy-jsonl")
_KEEP_MISSING = ("spacy", "prodigy")


class Writer(Protocol):
    """Takes docs one by one; the file appears under its name at `close`."""

    def add(self, doc: DocData) -> None:
        """Add a doc."""

    def close(self) -> None:
        """Write the rest and give the file its name."""

    def discard(self) -> None:
        """Give up: leave no file behind. After `close` it does nothing."""


class TextWriter:
    """Write JSON or columns, doc by doc.

    path (Path): The file.
    to (str): One of `WRITTEN_FORMATS` that is text.
    """

    def __init__(self, path: Path, to: str) -> None:
        """Open the file."""
        self.path = path
        self._make_record = _RECORDS.get(to)
        self._is_list = to == "label-studio"
        self._n_docs = 0
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("w", encoding="utf8", newline="\n")

    def add(self, doc: DocData) -> None:
        """Add a doc."""
        if self._make_record is None:
            text = doc_to_columns(doc)
        else:
            text = json.dumps(self._make_record(doc), ensure_ascii=False)
            text = ("[\n", ",\n")[self._n_docs > 0] + text if self._is_list else text + "\n"
        self._n_docs += 1
        self._file.write(text)

    def close(self) -> None:
        """Write the rest and give the file its name."""
        if self._is_list:
            self._file.write("\n]\n" if self._n_docs else "[]\n")
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Give up: leave no file behind. After `close` it does nothing."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def find_written_format(path: Path, to: str | None) -> str:
    """Find the format in which a file is to be written.

    path (Path): The file.
    to (str | None): One of `WRITTEN_FORMATS`; by default the file's ending decides.
    RETURNS (str): The format.
    RAISES (ValueError): If the ending is none of `OUTPUT_SUFFIXES`, or not the format's.
    """
    by_suffix = {suffix: name for name, suffix in reversed(WRITTEN_FORMATS.items())}
    if to is None and path.suffix in by_suffix:
        return by_suffix[path.suffix]
    if to is None:
        raise ValueError(f"{path}: expected a file ending in {', '.join(OUTPUT_SUFFIXES)}.")
    if path.suffix != WRITTEN_FORMATS[to]:
        raise ValueError(f"{path}: expected a file ending in {WRITTEN_FORMATS[to]} for {to}.")
    return to


def open_writer(path: Path, *, n_tokens: int, to: str | None = None) -> Writer:
    """Open a file for docs.

    path (Path): The file to write.
    n_tokens (int): Tokens that will be added in all.
    to (str | None): One of `WRITTEN_FORMATS`; by default the file's ending decides.
    RETURNS (Writer): Takes the docs.
    RAISES (ValueError): If the ending is none of `OUTPUT_SUFFIXES`, or not the format's.
    """
    name = find_written_format(path, to)
    return DocBinWriter(path, n_tokens=n_tokens) if name == "spacy" else TextWriter(path, name)


def note_losses(doc: DocData, to: str, notes: Notes) -> None:
    """Count what a format cannot hold of a doc.

    doc (DocData): The doc.
    to (str): One of `WRITTEN_FORMATS`.
    notes (Notes): Takes what is lost.
    """
    if doc.groups and to not in _KEEP_GROUPS:
        n_spans = sum(map(len, doc.groups.values()))
        text = f"spans of span groups, lost: only {' and '.join(_KEEP_GROUPS)} keep them"
        notes.add("lost-groups", text, ", ".join(doc.groups), count=n_spans)
    if doc.missing and to not in _KEEP_MISSING:
        text = f"words that nobody annotated, as O: only {' and '.join(_KEEP_MISSING)} keep them"
        notes.add("lost-missing", text, count=len(doc.missing))


def doc_to_columns(doc: DocData) -> str:
    """Write a Doc as lines of a word, a tab and an IOB2 tag: `read_columns` reads them back.

    doc (DocData): The Doc; its spaces are not kept.
    RETURNS (str): Its lines, after a -DOCSTART- line.
    RAISES (ValueError): If a word or label holds a tab or a line end, or a word has
        blanks at an end.
    """
    tags = spans_to_tags(doc.spans, len(doc.words))
    lines = [f"{DOCSTART}\tO\n"]
    starts = set(doc.starts or [0])
    for i, (word, tag) in enumerate(zip(doc.words, tags, strict=True)):
        is_odd = word.isspace() or word != word.strip(" ") or word.startswith(DOCSTART)
        if is_odd or set("\t\n\r") & set(word + tag):
            raise ValueError(
                f"Word {word!r} with tag {tag!r}: a column file cannot hold a tab, a line end, "
                f"blanks at an end or {DOCSTART}. Write .spacy or .jsonl."
            )
        lines.append("\n" * (i in starts) + f"{word}\t{tag}\n")
    return "".join(lines) + "\n"
