"""Kaggle token rows, one word a CSV row → sentences."""

from collections.abc import Iterator

from .cells import read_cells
from .sentence import FormatError, Notes, Sentence
from .source import Source
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
