"""CSV rows of one sentence each → sentences."""

import ast
import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from ..bytes.source import Source
from ..faults import Faults
from ..sentence import FormatError, Notes, Sentence, count_things
from .headers import COLUMN_NAMES, DELIMITERS, find_columns, split_header
from .table import check_lines, split_at_blanks
from .tag_forms import USUAL, TagForms
from .tag_reader import TagReader

_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_PRINTED_LIST = re.compile(rf"\[\s*{_STRING}(?:\s*,?\s*{_STRING})*\s*,?\s*\]", re.DOTALL)
_PRINTED_NUMBERS = re.compile(r"\[\s*-?\d+(?:(?:\s*,\s*|\s+)-?\d+)*\s*,?\s*\]")
_NUMBER = re.compile(r"-?\d+")
_MOST_REPLAYS = 100  # open quotes after which lines are read again


def read_sentence_rows(
    source: Source, *, forms: TagForms = USUAL, skip_bad: bool = False, notes: Notes
) -> Iterator[Sentence]:
    """Read CSV rows of one sentence each: a text cell and a cell with its tags.

    Words, and tags, have blanks between them, or the cell is a list as Python or numpy
    prints it; such a list is parsed as data, never evaluated.

    source (Source): The file; the columns are found by its header.
    forms (TagForms): How tags are spelled.
    skip_bad (bool): Leave out, and count, rows with a fault.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order.
    RAISES (FormatError): After the last sentence, for all rows with other columns than
        the header's, broken CSV, not one tag for each word, or a cell that only looks like
        a list; at once for a line that is too long.
    """
    check_lines(source)
    checker = TagReader(source, forms)
    faults = Faults(source.name, skip_bad=skip_bad)
    sentence = None
    with source.open_text(newline="") as file:
        for line, cells in read_cells(source, file, ("text", "tags"), faults):
            try:
                sentence = _read_row(cells, line, checker) if cells else None
            except FormatError as err:
                sentence = None
                faults.add("malformed row", err)
            if sentence is None:
                faults.skip(f"{source.name}:{line}", notes)
            else:
                yield sentence
    if sentence is not None:
        checker.check_last(sentence.tags[-1], sentence.lines[-1], notes)
    faults.check()


def _read_row(cells: Sequence[str], line: int, checker: TagReader) -> Sentence:
    words = _split_cell(checker.source, cells[0], line)
    is_numbers = _PRINTED_NUMBERS.fullmatch(cells[1].strip())
    raw = _NUMBER.findall(cells[1]) if is_numbers else _split_cell(checker.source, cells[1], line)
    tags = [checker.check(tag, line) for tag in raw]
    if len(words) != len(tags) or not words:
        raise FormatError(
            checker.source.name,
            f"{count_things(len(words), 'word')} and {count_things(len(tags), 'tag')}, expected "
            "one tag for each word, blanks between. Fix the row; the file may be cut.",
            line=line,
        )
    return Sentence(words, tags, [line] * len(words))


def _split_cell(source: Source, cell: str, line: int) -> list[str]:
    if not cell.startswith("["):
        return split_at_blanks(cell)
    if not _PRINTED_LIST.fullmatch(cell.strip()):
        if cell.rstrip().endswith("]") and "'" in cell:
            raise FormatError(
                source.name,
                f"a list that Python cannot have printed ({cell[:40]}…), expected ['…', '…']; "
                "numpy cuts long lists (' ... '). Write the words with blanks between them.",
                line=line,
            )
        return split_at_blanks(cell)  # a text that begins with a bracket
    try:
        words = [ast.literal_eval(match[0]) for match in re.finditer(_STRING, cell, re.DOTALL)]
    except (ValueError, SyntaxError) as err:
        raise FormatError(
            source.name, f"a list with a broken string ({err}). Fix the cell.", line=line
        ) from err
    if not all(words):
        raise FormatError(source.name, "an empty word in the list. Fix the cell.", line=line)
    return words


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
    delimiter, names, columns = read_header(source, next(lines, ""), wanted)
    pick = itemgetter(*columns)
    for line, row in read_csv_rows(source, lines, delimiter, len(names), faults):
        yield line, pick(row) if row else ()


def read_csv_rows(
    source: Source, lines: Iterator[str], delimiter: str, n_columns: int, faults: Faults
) -> Iterator[tuple[int, list[str]]]:
    """Read CSV rows below a header.

    source (Source): The file, for messages.
    lines (Iterator[str]): Its lines below the header, with their line ends.
    delimiter (str): What parts the cells.
    n_columns (int): Cells of each row.
    faults (Faults): Takes the rows with other columns than the header's, and broken CSV.
    YIELDS (tuple[int, list[str]]): Line and cells of each row; no cells for one with a fault.
    """
    for line, row, fault in _split_rows(lines, delimiter):
        if len(row) == n_columns:
            yield line, row
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
        yield line, []


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


def read_header(
    source: Source, line: str, wanted: tuple[str, ...]
) -> tuple[str, list[str], list[int]]:
    """Read the header of CSV rows.

    source (Source): The file, for messages.
    line (str): Its first line.
    wanted (tuple[str, ...]): Keys of `COLUMN_NAMES`.
    RETURNS (tuple[str, list[str], list[int]]): What parts the cells, their names, and the
        wanted columns.
    RAISES (FormatError): If a column is missing.
    """
    for delimiter in DELIMITERS:
        header = split_header(line, delimiter)
        columns = find_columns(header, wanted)
        if columns is not None:
            return delimiter, header, columns
    names = ", ".join(f"'{COLUMN_NAMES[kind][0]}'" for kind in wanted)
    found = ", ".join(f"'{cell}'" for cell in split_header(line, ","))
    raise FormatError(
        source.name,
        f"columns {found}, expected a header with {names}, each once, in any order. "
        "Add or rename the columns.",
        line=1,
    )
