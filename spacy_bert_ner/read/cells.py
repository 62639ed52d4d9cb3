"""CSV lines → the wanted cells of each row, found by the header."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from .faults import Faults
from .sentence import FormatError, count_things
from .source import Source

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("sentence #", "sentence#", "sentence_id", "sentence id", "sentence_idx", "sentence"),
    "word": ("word", "token", "words", "tokens", "form"),
    "tag": ("tag", "ner_tag", "ner", "label", "tags", "ner_tags", "labels", "ne-coarse-lit"),
    "text": ("text", "sentence", "tokens", "words"),
    "tags": ("labels", "word_labels", "ner_tags", "tag", "tags"),
}
"""Names of each kind of column, the preferred one first; case and blanks are ignored."""

_MOST_REPLAYS = 100  # open quotes after which lines are read again
_DELIMITERS = (",", ";", "\t")


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
        find_columns(_split_header(header_line, delimiter), wanted) is not None
        for delimiter in _DELIMITERS
    )


def read_cells(
    source: Source, lines: Iterable[str], wanted: tuple[str, ...], faults: Faults
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Read the wanted columns of CSV rows, found by their header.

    Cells are separated by commas, semicolons or tabs, whichever the header uses.

    source (Source): The file, for messages.
    lines (Iterable[str]): Its lines, with their line ends.
    wanted (tuple[str, ...]): Keys of `COLUMN_NAMES`, two or more.
    faults (Faults): Takes the rows with other columns than the header's, and broken CSV.
    YIELDS (tuple[int, tuple[str, ...]]): Line and wanted cells of each row; no cells for
        a row with a fault.
    RAISES (FormatError): If a column is missing.
    """
    lines = iter(lines)
    delimiter, columns, n_columns = _read_header(source, next(lines, ""), wanted)
    pick = itemgetter(*columns)
    for line, row, fault in _split_rows(lines, delimiter):
        if len(row) == n_columns:
            yield line, pick(row)
            continue
        if fault:
            kind = "broken CSV"
            text = (
                f"broken CSV ({fault}), expected quotes that close and cells of at most "
                f"{csv.field_size_limit():,} characters. Fix the line; the file may be cut."
            )
        elif row:
            kind = "wrong number of columns"
            text = (
                f"{count_things(len(row), 'column')}, expected {n_columns} as in the header. "
                "Check the separator and the quoting; the file may be cut."
            )
        else:
            continue
        faults.add(kind, FormatError(source.name, text, line=line))
        yield line, ()


def _split_rows(
    lines: Iterator[str], delimiter: str, *, number: int = 2
) -> Iterator[tuple[int, list[str], str]]:
    # line, cells and fault of each row; after a quote that does not close, its next line is a row
    taken: list[str] = []
    again: deque[str] = deque()

    def take() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, ""):
            taken.append(line)
            yield line

    n_replays = 0
    reader = csv.reader(take(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        row, fault = [], ""
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as err:
            fault = str(err)
            if n_replays < _MOST_REPLAYS:
                n_replays += 1
                again.extendleft(reversed(taken[1:]))
                del taken[1:]
            reader = csv.reader(take(), delimiter=delimiter, strict=True)
        yield number, row, fault
        number += len(taken)


def _read_header(source: Source, line: str, wanted: tuple[str, ...]) -> tuple[str, list[int], int]:
    for delimiter in _DELIMITERS:
        header = _split_header(line, delimiter)
        columns = find_columns(header, wanted)
        if columns is not None:
            return delimiter, columns, len(header)
    names = ", ".join(f"'{COLUMN_NAMES[kind][0]}'" for kind in wanted)
    found = ", ".join(f"'{cell}'" for cell in _split_header(line, ","))
    raise FormatError(
        source.name,
        f"columns {found}, expected a header with {names}, each once, in any order. "
        "Add or rename the columns.",
        line=1,
    )


def _split_header(line: str, delimiter: str) -> list[str]:
    # header cells contain no delimiter, so quotes need no rules
    return [cell.strip().strip('"') for cell in line.strip("\r\n").split(delimiter)]
