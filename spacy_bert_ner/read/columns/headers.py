"""The first line of a file of rows → which column holds the words, the tags and the ids."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..bytes.source import Source
from ..settings import ReadSettings
from .column_survey import is_border_line
from .table import Dialect, Row, read_lines

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("sentence #", "sentence#", "sentence_id", "sentence id", "sentence_idx", "sentence"),
    "word": ("word", "token", "words", "tokens", "form"),
    "tag": ("tag", "ner_tag", "ner", "label", "tags", "ner_tags", "labels", "ne-coarse-lit"),
    "text": ("text", "sentence", "tokens", "words"),
    "tags": ("labels", "word_labels", "ner_tags", "tag", "tags"),
}
"""Names of each kind of column, the preferred one first; case and blanks are ignored."""

DELIMITERS = (",", ";", "\t", "|")
"""What cells of CSV may be separated by, the most usual first."""


class Header(NamedTuple):
    """A first line that names the columns of word and tag.

    line (int): Its number.
    delimiter (str): What it is split at.
    names (list[str]): Its cells.
    found (dict[str, int]): `id`, `word` and `tag` → column, from 0.
    """

    line: int
    delimiter: str
    names: Row
    found: dict[str, int]


def find_header(source: Source, settings: ReadSettings) -> Header | None:
    """RETURNS (Header | None): The header; None if the first line names no word and tag."""
    number, line = first_row(source)
    for delimiter in ("\t", ",", ";", "|", ""):
        names = split_header(line, delimiter)
        found = find_named_columns(names, settings.columns)
        if "word" in found and "tag" in found and found["word"] != found["tag"]:
            return Header(number, delimiter, names, found)
    return None


def first_row(source: Source) -> tuple[int, str]:
    """RETURNS (tuple[int, str]): The first line that is neither blank nor a comment."""
    for first, lines in read_lines(source):
        for number, line in enumerate(lines, start=first):
            if not is_border_line(line) and not line.startswith("# "):
                return number, line.removeprefix("#") if line.startswith("#") else line
    return 0, ""


def split_header(line: str, delimiter: str) -> Row:
    """Split a header; its cells hold no delimiter, quoted or not."""
    cells = line.split(delimiter) if delimiter else Dialect("").split([line])[0]
    return [cell.strip().strip('"') for cell in cells]


def find_columns(header: list[str], wanted: Iterable[str]) -> list[int] | None:
    """Find the wanted columns by their header; None if one is missing or occurs twice.

    EXAMPLE:
        >>> find_columns(["Unnamed: 0", "Sentence #", "Word", "Tag"], ["id", "word", "tag"])
        [1, 2, 3]
    """
    names = [cell.strip().lower() for cell in header]
    columns = []
    for kind in wanted:
        known = next((name for name in COLUMN_NAMES[kind] if name in names), None)
        if known is None or names.count(known) > 1:
            return None
        columns.append(names.index(known))
    return columns


def find_named_columns(header: list[str], names: Mapping[str, str]) -> dict[str, int]:
    """Find the columns of id, word and tag by their header, or by the names given.

    header (list[str]): The header's cells.
    names (Mapping[str, str]): Key of `COLUMN_NAMES` → header, or number from 1, of its column.
    RETURNS (dict[str, int]): The columns found, from 0.
    """
    lowered = [cell.strip().lower() for cell in header]
    found = {}
    for kind in ("id", "word", "tag"):
        name = names.get(kind, "").strip().lower()
        if name in lowered and name:
            found[kind] = lowered.index(name)
        elif name.isdecimal() and 1 <= int(name) <= len(header):
            found[kind] = int(name) - 1
        elif not name:
            columns = find_columns(header, [kind])
            if columns is not None:
                found[kind] = columns[0]
    return found


def has_columns(header_line: str, wanted: Iterable[str]) -> bool:
    """Whether a CSV header, split at any delimiter that we know, has the wanted columns."""
    wanted = list(wanted)
    return any(
        find_columns(split_header(header_line, delimiter), wanted) is not None
        for delimiter in DELIMITERS
    )
