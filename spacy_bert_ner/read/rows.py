"""CSV rows of one sentence each → sentences."""

import ast
import re
from collections.abc import Iterator, Sequence

from .cells import read_cells
from .faults import Faults
from .sentence import FormatError, Notes, Sentence
from .source import Source
from .table import check_lines, split_at_blanks
from .tags import TagReader

_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_PRINTED_LIST = re.compile(rf"\[\s*{_STRING}(?:\s*,\s*{_STRING})*\s*,?\s*\]", re.DOTALL)


def read_sentence_rows(
    source: Source, *, skip_bad: bool = False, notes: Notes
) -> Iterator[Sentence]:
    """Read CSV rows of one sentence each: a text cell and a cell with its tags.

    Words, and tags, have blanks between them, or the cell is a list as Python prints it;
    such a list is parsed as data, never evaluated.

    source (Source): The file; the columns are found by its header.
    skip_bad (bool): Leave out, and count, rows with a fault.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order.
    RAISES (FormatError): After the last sentence, for all rows with other columns than
        the header's, not one tag for each word, or a cell that only looks like a list; at
        once for broken or cut CSV, or a line that is too long.
    """
    check_lines(source)
    checker = TagReader(source)
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
    words, raw = (_split_cell(checker.source, cell, line) for cell in cells)
    tags = [checker.check(tag, line) for tag in raw]
    if len(words) != len(tags) or not words:
        raise FormatError(
            checker.source.name,
            f"{len(words)} words and {len(tags)} tags, expected one tag for each word, blanks "
            "between. Fix the row; the file may be cut.",
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
                f"a list that Python cannot have printed ({cell[:40]}…), expected "
                "['…', '…']. Fix the cell.",
                line=line,
            )
        return split_at_blanks(cell)  # a text that begins with a bracket
    try:
        words = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError) as err:
        raise FormatError(
            source.name, f"a list with a broken string ({err}). Fix the cell.", line=line
        ) from err
    if not all(words):
        raise FormatError(source.name, "an empty word in the list. Fix the cell.", line=line)
    return words
