"""CSV rows of one sentence each → sentences."""

import ast
import re
from collections.abc import Iterator, Sequence

from .cells import read_cells
from .faults import Faults
from .sentence import FormatError, Notes, Sentence, count_things
from .source import Source
from .table import check_lines, split_at_blanks
from .tag_forms import USUAL, TagForms
from .tags import TagReader

_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_PRINTED_LIST = re.compile(rf"\[\s*{_STRING}(?:\s*,?\s*{_STRING})*\s*,?\s*\]", re.DOTALL)
_PRINTED_NUMBERS = re.compile(r"\[\s*\d+(?:(?:\s*,\s*|\s+)\d+)*\s*,?\s*\]")
_NUMBER = re.compile(r"\d+")


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
