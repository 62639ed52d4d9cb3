"""The rows of a column file → the rows of each sentence, with their lines."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...schemes import is_tag
from ..bytes.source import Source
from ..faults import Faults
from ..sentence import FormatError, Notes
from .column_survey import DOCSTART, MARKS, is_border_line
from .layout import Layout
from .table import Row, read_lines

LONGEST_ONLY_SENTENCE = 1_000
"""Words of a file without any blank line, above which the blank lines must be missing."""

_MOST_PENDING = 1_000_000
_DOCUMENT = re.compile(r"#\s?(begin document|newdoc|hipe2022:document_id|document_id)\b")


class Group(NamedTuple):
    """The rows of one sentence.

    rows (list[Row]): Its rows.
    lines (Sequence[int]): Their lines.
    document (int): Number of its document.
    is_even (bool): Whether all rows are known to have the layout's columns.
    """

    rows: list[Row]
    lines: Sequence[int]
    document: int
    is_even: bool = False


class _Cut(NamedTuple):
    # before row `at` of a chunk
    at: int
    is_left_out: bool = True  # the row itself
    is_end: bool = True  # of the sentence
    is_document: bool = False


class Grouper:
    """Parts the rows of a file into sentences.

    source (Source): The file.
    layout (Layout): How its rows are read.
    faults (Faults): Takes a first row without id.
    notes (Notes): Takes what was noticed.
    """

    def __init__(self, source: Source, layout: Layout, faults: Faults, notes: Notes) -> None:
        """Start at the first line."""
        self.source = source
        self.layout = layout
        self.faults = faults
        self.notes = notes
        self.last_line = 0
        self._id = ""
        self._ids: set[str] = set()
        self._header = ""
        self._at_start = True
        self._is_even = False  # whether all rows of a chunk have the layout's columns

    def read(self) -> Iterator[Group]:
        """Read the groups.

        YIELDS (Group): One for each sentence, in file order.
        RAISES (FormatError): If nothing parts the sentences of a long file.
        """
        rows: list[Row] = []
        lines: Sequence[int] = ()
        document = n_groups = 0
        is_even = True
        for first, text in read_lines(self.source):
            chunk = self.layout.dialect.split(text)
            start = 0
            cuts = self._cut_by_id if self.layout.id >= 0 else self._cut_by_line
            for cut in cuts(first, text, chunk):
                lines = _add_lines(lines, range(first + start, first + cut.at))
                rows = rows + chunk[start : cut.at] if rows else chunk[start : cut.at]
                start = cut.at + cut.is_left_out
                if cut.is_end and rows:
                    yield Group(rows, lines, document, is_even and self._is_even)
                    rows, lines, is_even = [], (), True
                    n_groups += 1
                document += cut.is_document
            rows += chunk[start:]
            is_even = is_even and self._is_even
            lines = _add_lines(lines, range(first + start, first + len(chunk)))
            self.last_line = first + len(text) - 1
            if len(rows) > _MOST_PENDING and self.layout.id < 0:
                self._refuse_unparted(len(rows))
        is_parted = n_groups or self.layout.ends or self.layout.id >= 0
        if not is_parted and len(rows) > LONGEST_ONLY_SENTENCE:
            self._refuse_unparted(len(rows))
        if rows:
            yield Group(rows, lines, document)

    def _refuse_unparted(self, n_rows: int) -> None:
        raise FormatError(
            self.source.name,
            f"no blank line: 1 sentence of {n_rows:,} words? Expected a blank line after each "
            "sentence. Put them in, or name the words that end a sentence.",
            advice=[{"split_at": ". ! ?"}],
        )

    def _cut_by_line(self, first: int, text: list[str], chunk: list[Row]) -> Iterator[_Cut]:
        word, header, after = self.layout.word, self._find_header(first, text), 0
        has_docs = word > 0 and DOCSTART in "".join(text)
        for i in [
            i
            for i, line in enumerate(text)
            if line[:1] in MARKS or line == header or (has_docs and DOCSTART in line)
        ]:
            line = text[i]
            self._at_start = self._at_start and i == after
            after = i + 1
            is_document = line.startswith(DOCSTART) or chunk[i][word : word + 1] == [DOCSTART]
            if is_document or is_border_line(line):
                self._at_start = True
                yield _Cut(i, is_document=is_document)
            elif line == header:
                yield self._cut_header(first, i)
            elif line[0] == "#" and self._is_comment(line, chunk[i]):
                if not self.layout.number_form and not self.layout.is_ragged:
                    text_of_note = "lines that begin with # and hold no word with a tag, left out"
                    place = f"{self.source.name}:{first + i} '{line[:40]}'"
                    self.notes.add("comment", text_of_note, place)
                is_new = _DOCUMENT.match(line) is not None
                yield _Cut(i, is_end=is_new, is_document=is_new)
            else:
                self._at_start = False
        self._at_start = self._at_start and after == len(text)

    def _is_comment(self, line: str, row: Row) -> bool:
        layout = self.layout
        n_columns = len(row) if layout.is_ragged else layout.n_columns
        if len(row) == n_columns > max(layout.tag, layout.word) and row[layout.word].strip():
            tag = row[layout.tag].strip(" ")
            if layout.misc_key or is_tag(tag) or (tag in layout.tags and tag):
                return False
        return self._at_start or line[1:2] in (" ", "\t", "#", "=") or "=" in line

    def _cut_by_id(self, first: int, text: list[str], chunk: list[Row]) -> Iterator[_Cut]:
        column, n_columns = self.layout.id, self.layout.n_columns
        header = self._find_header(first, text)
        self._is_even = set(map(len, chunk)) == {n_columns}
        found = [row[column] for row in chunk] if self._is_even else []
        if self._is_even and self._id:
            rows = [i for i, cell in enumerate(found) if cell]
        else:
            found = [row[column] if len(row) > column else "" for row in chunk]
            rows = list(range(len(chunk)))
        for i in rows:
            if text[i] == header:
                self._id = ""
                yield self._cut_header(first, i)
            elif found[i] and found[i] == self._id:
                continue
            elif found[i]:
                yield _Cut(i, is_left_out=False)
                self._start(found[i], first + i)
            elif not self._id or len(chunk[i]) != n_columns:
                yield from self._leave_out(first + i, i, text[i])

    def _find_header(self, first: int, text: list[str]) -> str | None:
        # the header's text; files that were put together have it several times
        if 0 <= self.layout.n_header - first < len(text):
            self._header = text[self.layout.n_header - first]
        return self._header or None

    def _cut_header(self, first: int, at: int) -> _Cut:
        if first + at != self.layout.n_header:
            place = f"{self.source.name}:{first + at}"
            self.notes.add("repeated-header", "repeated header lines, left out", place)
        return _Cut(at)

    def _start(self, sentence_id: str, line: int) -> None:
        self._id = sentence_id
        if sentence_id in self._ids:
            self.notes.add(
                "id-returns",
                "sentence ids came back after other sentences; each began a new sentence",
                f"{self.source.name}:{line} '{sentence_id}'",
            )
        self._ids.add(sentence_id)

    def _leave_out(self, line: int, at: int, text: str) -> Iterator[_Cut]:
        # a row without an id of its own: blank, or before the first id
        if is_border_line(text):
            yield _Cut(at, is_end=False)
        elif not self._id:
            self.faults.add(
                "no sentence id",
                FormatError(
                    self.source.name,
                    "the first row has no sentence id, expected one such as 'Sentence: 1'. "
                    "The file's beginning is missing: add the id.",
                    line=line,
                ),
            )
            self._id = " "


def _add_lines(lines: Sequence[int], more: range) -> Sequence[int]:
    if not lines:
        return more
    if isinstance(lines, range) and (lines.stop == more.start or not more):
        return range(lines.start, more.stop) if more else lines
    return [*lines, *more]
