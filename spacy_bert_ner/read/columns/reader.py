"""CoNLL and any other file of a word a row → sentences."""

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

from ..bytes.source import Source
from ..faults import Faults
from ..file_format import Opened
from ..sentence import FormatError, Notes, Sentence, count_things
from ..settings import ReadSettings
from .finder import find_layout
from .grouper import Group, Grouper
from .layout import Layout
from .multiwords import JOINED, join_multiwords
from .positions import strip_positions
from .table import Row
from .tag_forms import describe_fault
from .tag_reader import TagReader

EXCEL_ROWS = 1_048_576
"""Rows of one Excel sheet, header included."""

_LAST_WORD = re.compile(r"\bEndOfSentence\b")


def open_columns(source: Source, settings: ReadSettings) -> Opened:
    """Find the layout of a column file and give its reader.

    source (Source): The file.
    settings (ReadSettings): What the user says about it.
    RETURNS (Opened): The reader.
    RAISES (FormatError): If the columns of word and tag cannot be found.
    """
    return open_layout(source, settings, find_layout(source, settings))


def open_layout(source: Source, settings: ReadSettings, layout: Layout) -> Opened:
    """RETURNS (Opened): The reader of a file whose layout is known."""
    reader = partial(read_columns, source, layout=layout, skip_bad=settings.skip_bad)
    return Opened(reader, layout.how)


def read_columns(
    source: Source, *, layout: Layout, skip_bad: bool = False, notes: Notes
) -> Iterator[Sentence]:
    """Read one word per row; its tag is in another column.

    Blank lines separate the sentences, or the column of the id does: an id is on each row,
    or only on a sentence's first one. A line that begins with -DOCSTART- is a document
    border. A line that begins with # is a comment unless it is a word with a tag.

    source (Source): The file.
    layout (Layout): What `find_layout` found.
    skip_bad (bool): Leave out, and count, sentences with a fault.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order, numbered by document.
    RAISES (FormatError): After the last sentence, for all rows without a word, without a
        well-formed tag or with other columns than most; and if nothing separates
        the sentences of a long file.
    """
    faults = Faults(source.name, skip_bad=skip_bad, how=describe_layout(layout))
    grouper = Grouper(source, layout, faults, notes)
    maker = _Maker(source, layout, faults, notes)
    sentence = None
    is_joined = bool(layout.ends) or layout.misc >= 0
    for whole in grouper.read():
        for group in _split_group(whole, layout) if is_joined else (whole,):
            sentence = maker.make(group)
            if sentence is None:
                faults.skip(f"{source.name}:{group.lines[0]}", notes)
            elif sentence.words:
                yield sentence
    if sentence is not None and sentence.words:
        maker.tags.check_last(sentence.tags[-1], sentence.lines[-1], notes)
    if layout.id >= 0 and grouper.last_line == EXCEL_ROWS:
        notes.add(
            "excel-limit",
            f"the file ends at row {EXCEL_ROWS:,}, the last that Excel keeps: "
            "the last sentence may be cut, and more may be missing",
            f"{source.name}:{grouper.last_line}",
        )
    faults.check()


def describe_layout(layout: Layout) -> str:
    """RETURNS (str): How the rows are read, and what to set to have them read otherwise."""
    what = f"words in column {layout.word + 1}, tags in column {layout.tag + 1}, {layout.dialect}"
    return (
        f"The file was taken for rows of cells: {layout.how or what}. If that is wrong, set "
        "`format`, `word_column` or `tag_column`."
    )


def _split_group(group: Group, layout: Layout) -> Iterator[Group]:
    # at the words that end a sentence, or where the file says so in its features
    cuts = {0, len(group.rows)}
    for i, row in enumerate(group.rows, start=1):
        is_end = len(row) > layout.word and row[layout.word] in layout.ends
        if is_end or (len(row) > layout.misc >= 0 and _LAST_WORD.search(row[layout.misc])):
            cuts.add(i)
    for start, end in pairwise(sorted(cuts)):
        yield Group(group.rows[start:end], group.lines[start:end], group.document)


class _Maker:
    # rows of a sentence → the sentence, or its faults

    def __init__(self, source: Source, layout: Layout, faults: Faults, notes: Notes) -> None:
        self.source = source
        self.notes = notes
        self.layout = layout
        self.faults = faults
        self.tags = TagReader(source, layout.forms)

    def make(self, group: Group) -> Sentence | None:
        layout, rows, lines = self.layout, group.rows, group.lines
        is_even = group.is_even or set(map(len, rows)) == {layout.n_columns}
        if not is_even and not all(map(self._is_whole, rows)):
            self._explain(rows, lines)
            return None
        if layout.number >= 0:
            kept = [re.fullmatch(layout.number_form, row[layout.number]) for row in rows]
            if layout.offsets >= 0:
                self._note_parts(rows, kept)
            lines = [line for line, is_kept in zip(lines, kept, strict=True) if is_kept]
            rows = [row for row, is_kept in zip(rows, kept, strict=True) if is_kept]
        words, cells = ([row[i] for row in rows] for i in (layout.word, layout.tag))
        spaces = self._find_spaces(rows)
        if layout.dialect.delimiter and not layout.dialect.is_quoted:
            if layout.has_blank_words and " " in words:
                sentence = self._join_blanks(words, cells, lines, group.document)
                if sentence is None:
                    self._explain(rows, lines)
                return sentence
            words = [word.strip(" ") for word in words]
        if layout.misc_key:
            cells = [_find_feature(cell, layout.misc_key) for cell in cells]
        words = [word.removeprefix(layout.prefix) for word in words] if layout.prefix else words
        words = strip_positions(words) if layout.has_positions else words
        tags = self.tags.read(cells, lines)
        if tags is None or "" in words:
            self._explain(rows, lines)
            return None
        for value in self.tags.lost:
            what = "entities that overlap a longer one or have no label, lost"
            self.notes.add("overlap", what, f"{self.source.name}:{lines[0]} {value}")
        sentence = Sentence(words, tags, lines, group.document, spaces)
        return (
            self._join_multiwords(sentence, group.rows) if len(rows) < len(group.rows) else sentence
        )

    def _join_multiwords(self, sentence: Sentence, rows: list[Row]) -> Sentence:
        if self.layout.misc < 0:
            return sentence
        sentence, lost = join_multiwords(sentence, rows, self.layout)
        for word in lost:
            what = "entities in one part of a word that has another one, lost"
            self.notes.add("part-of-word", what, f"{self.source.name}:{sentence.lines[0]} {word}")
        return sentence

    def _note_parts(self, rows: list[Row], kept: Sequence[object]) -> None:
        for row, is_kept in zip(rows, kept, strict=True):
            tag, number = row[self.layout.tag].strip(), row[self.layout.number]
            if not is_kept and tag not in ("", "_", "*"):
                place = f"{self.source.name}:{number} {row[self.layout.word]!r} {tag}"
                self.notes.add("part-of-word", "annotations of a part of a word, lost", place)

    def _find_spaces(self, rows: list[Row]) -> list[bool] | None:
        layout = self.layout
        if layout.misc >= 0:
            return [not JOINED.search(row[layout.misc]) for row in rows]
        if layout.offsets >= 0:
            borders = [row[layout.offsets].split("-") for row in rows]
            return [a[-1] != b[0] for a, b in pairwise(borders)] + [True] * bool(rows)
        return None

    def _join_blanks(
        self, words: list[str], cells: list[str], lines: Sequence[int], document: int
    ) -> Sentence | None:
        # a blank between two characters is the space after the first
        tags = self.tags.read(cells, lines)
        if tags is None:
            return None
        kept = [i for i, word in enumerate(words) if word.strip(" ")]
        return Sentence(
            [words[i] for i in kept],
            [tags[i] for i in kept],
            [lines[i] for i in kept],
            document,
            [words[i + 1 : i + 2] == [" "] for i in kept],
        )

    def _explain(self, rows: list[Row], lines: Sequence[int]) -> None:
        layout = self.layout
        for row, line in zip(rows, lines, strict=True):
            if not self._is_whole(row):
                self._add_width_fault(row, line)
                continue
            if not row[layout.word].strip(" ") and not layout.has_blank_words:
                self._add(
                    "empty word",
                    f"the word is empty, expected one word (column {layout.word + 1}). Fill the "
                    "cell, or remove the row.",
                    line,
                )
            cell = row[layout.tag].strip(" ")
            if layout.misc_key:
                cell = _find_feature(cell, layout.misc_key)
            if not layout.forms.read_tag(cell):
                text = f"{describe_fault(cell)} (Tags are in column {layout.tag + 1}.)"
                self._add("malformed tag", text, line)

    def _is_whole(self, row: Row) -> bool:
        n_more = len(row) - self.layout.n_columns
        return n_more == 0 or (self.layout.is_ragged and n_more > 0)

    def _add_width_fault(self, row: Row, line: int) -> None:
        expected = self.layout.n_columns
        if not row:
            text = "broken CSV: quotes that do not close in the line, or a cell of more than "
            text += f"{csv.field_size_limit():,} characters"
            advice = "Fix the line"
        else:
            text = f"{count_things(len(row), 'column')}, expected {expected} as in most rows"
            advice = "Check the separators (a word with a blank in it needs tabs) and quotes"
        self._add("wrong number of columns", f"{text}. {advice}; the file may be cut.", line)

    def _add(self, kind: str, message: str, line: int) -> None:
        self.faults.add(kind, FormatError(self.source.name, message, line=line))


def _find_feature(cell: str, key: str) -> str:
    # the value of a key among `name=B-PER|SpaceAfter=No`; a word without it is in no entity
    for pair in cell.split("|"):
        name, equals, value = pair.partition("=")
        if equals and name == key:
            return value
    return "O"
