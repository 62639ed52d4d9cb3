"""Kaggle token rows, one word a CSV row → sentences."""

import ast
import re
from collections.abc import Iterator

from .cells import read_cells
from .sentence import FormatError, Notes, Sentence
from .source import Source, split_at_blanks
from .tags import TagChecker

EXCEL_ROWS = 1_048_576
"""Rows of one Excel sheet, header included."""


def read_token_rows(source: Source, *, notes: Notes) -> Iterator[Sentence]:
    """Read CSV rows of one word each: sentence id, word and tag, found by the header.

    An id stands on each row, or only on a sentence's first one: an empty id goes on
    with the sentence. An id that comes back later starts a new sentence, with a note.

    source (Source): The file.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order.
    RAISES (FormatError): At the first row that is not as the header says, has no word or
        no tag, at a first row without an id, and at CSV that is broken or cut.
    """
    words: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    current, seen = "", set[str]()
    checker = TagChecker(source)
    line = 1
    with source.open_text(newline="") as file:
        for line, (sentence_id, word, tag) in read_cells(source, file, ("id", "word", "tag")):
            if sentence_id and sentence_id != current:
                if words:
                    yield Sentence(words, tags, lines)
                    words, tags, lines = [], [], []
                current = sentence_id
                _note_return(source, sentence_id, line, seen, notes)
            elif not current:
                raise FormatError(
                    source.name,
                    "the first row has no sentence id, expected one such as 'Sentence: 1'. "
                    "The file's beginning is missing: add the id.",
                    line=line,
                )
            if not word:
                raise FormatError(
                    source.name, "the word is empty, expected one word. Fill the cell.", line=line
                )
            words.append(word)
            tags.append(tag if tag in checker.first_lines else checker.check(tag, line))
            lines.append(line)
    if words:
        checker.check_last(tags[-1], line)
        yield Sentence(words, tags, lines)
    if line == EXCEL_ROWS:
        notes.add(
            "excel-limit",
            f"the file ends at row {EXCEL_ROWS:,}, the last that Excel keeps: "
            "the last sentence may be cut, and more may be missing",
            f"{source.name}:{line}",
        )


def _note_return(source: Source, sentence_id: str, line: int, seen: set[str], notes: Notes) -> None:
    if sentence_id in seen:
        notes.add(
            "id-returns",
            "sentence ids came back after other sentences; each began a new sentence",
            f"{source.name}:{line} '{sentence_id}'",
        )
    seen.add(sentence_id)


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
    checker = TagChecker(source)
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
                    "blanks between. Mend the row; the file may be cut.",
                    line=line,
                )
            yield Sentence(words, tags, [line] * len(words))
    if tags:
        checker.check_last(tags[-1], line)


def _split_cell(source: Source, cell: str, line: int) -> list[str]:
    if not cell.startswith("["):
        return split_at_blanks(cell)
    if not _PRINTED_LIST.fullmatch(cell.strip()):
        if cell.rstrip().endswith("]") and "'" in cell:
            raise FormatError(
                source.name,
                f"a list that Python cannot have printed ({cell[:40]}…), expected "
                "['…', '…']. Mend the cell.",
                line=line,
            )
        return split_at_blanks(cell)  # a text that begins with a bracket
    try:
        words = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError) as err:
        raise FormatError(
            source.name, f"a list with a broken string ({err}). Mend the cell.", line=line
        ) from err
    if not all(words):
        raise FormatError(source.name, "an empty word in the list. Mend the cell.", line=line)
    return words
