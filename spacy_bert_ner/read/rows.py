"""CSV rows of one sentence each → sentences."""

import ast
import re
from collections.abc import Iterator

from .cells import read_cells
from .sentence import FormatError, Notes, Sentence
from .source import Source
from .table import split_at_blanks
from .tags import TagReader

_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_PRINTED_LIST = re.compile(rf"\[\s*{_STRING}(?:\s*,\s*{_STRING})*\s*,?\s*\]", re.DOTALL)


def read_sentence_rows(source: Source, *, notes: Notes) -> Iterator[Sentence]:
    """Read CSV rows of one sentence each: a text cell and a cell with its tags.

    Words, and tags, are parted by blanks, or the cell is a list as Python prints it;
    such a list is parsed as data, never evaluated.

    source (Source): The file; the columns are found by its header.
    YIELDS (Sentence): The sentences in file order.
    RAISES (FormatError): At the first row that has not one tag for each word, holds a
        list that is none, or is broken or cut CSV.
    """
    checker = TagReader(source)
    tags: list[str] = []
    line = 1
    with source.open_text(newline="") as file:
        for line, (text, tag_text) in read_cells(source, file, ("text", "tags")):
            words = _split_cell(source, text, line)
            tags = [checker.check(tag, line) for tag in _split_cell(source, tag_text, line)]
            if len(words) != len(tags) or not words:
                raise FormatError(
                    source.name,
                    f"{len(words)} words and {len(tags)} tags, expected one tag for each word, "
                    "blanks between. Fix the row; the file may be cut.",
                    line=line,
                )
            yield Sentence(words, tags, [line] * len(words))
    if tags:
        checker.check_last(tags[-1], line, notes)


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
