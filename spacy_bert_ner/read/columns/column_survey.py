"""The lines of a column file, all of them → what each column holds, under one dialect."""

import re
from collections import Counter

from ...schemes import is_tag
from ..bytes.source import Source
from .column import Column
from .table import Dialect, Row, read_lines
from .tag_forms import MOST_TAGS

DOCSTART = "-DOCSTART-"
MARKS = frozenset(("", *'#-,;"', *filter(str.isspace, map(chr, range(0x3001)))))
"""First characters of the lines that may be no row: empty ones, comments, borders, white space."""
MOST_COLUMNS = 200
"""Columns of a row; with more, the file holds sentences of text."""

_MOST_HASHES = 100  # lines that begin with # and end with a tag
_POS = re.compile(r"[A-Z]{1,5}\$?|[^\w\s]{1,5}")


def is_border_line(line: str) -> bool:
    """Whether a line holds no cell: it is empty, or only white space and delimiters."""
    return not line or not line.strip(' \t,;"') or line.isspace()


class ColumnSurvey:
    """What all rows of a file hold, if they are split in one way.

    dialect (Dialect): The way.
    n_header (int): Number of the header's line; 0 if there is none.
    """

    def __init__(self, dialect: Dialect, *, n_header: int = 0) -> None:
        """Start with nothing seen."""
        self.dialect = dialect
        self.n_header = n_header
        self.widths: Counter[int] = Counter()
        self.border_widths: set[int] = set()
        self.columns: list[Column] = []
        self.n_rows = 0
        self.has_tabs = False
        self.n_gaps = 0
        self.has_comments = False
        self.n_misfits = 0
        self._is_start = True
        self._hashes: list[str] = []

    @property
    def width(self) -> int:
        """RETURNS (int): Columns that most rows have."""
        return self.widths.most_common(1)[0][0] if self.widths else 0

    @property
    def share(self) -> float:
        """RETURNS (float): Share of the rows that have these columns."""
        return self.widths[self.width] / self.n_rows if self.n_rows else 0.0

    @property
    def is_even(self) -> bool:
        """RETURNS (bool): Whether all rows have the same columns."""
        return len(self.widths) == 1

    def survey(self, source: Source) -> "ColumnSurvey":
        """Pass over a file once.

        RETURNS (ColumnSurvey): This survey.
        """
        for _, lines in read_lines(source):
            self._add(lines)
        if not self.n_rows and self._hashes:  # all words are #
            self._add_rows(self.dialect.split(self._hashes), [True] * len(self._hashes))
        return self

    def _add(self, lines: list[str]) -> None:
        # comments may be words: a reader who knows the tags decides
        self.has_tabs = self.has_tabs or "\t" in "".join(lines)
        kept: list[str] = []
        starts: list[bool] = []
        after = 0
        for i in [i for i, line in enumerate(lines) if line[:1] in MARKS]:
            self._keep(lines[after:i], kept, starts)
            after, line = i + 1, lines[i]
            if is_border_line(line):
                self.n_gaps += not self._is_start
                self._is_start = True
            elif line.lstrip().startswith(DOCSTART):
                self.border_widths.add(len(self.dialect.split([line.strip()])[0]))
                self._is_start = True
            elif line[0] != "#":
                self._keep([line], kept, starts)
            else:
                self.has_comments = True
                if len(self._hashes) < _MOST_HASHES and is_tag(line.split()[-1]):
                    self._hashes.append(line)
        self._keep(lines[after:], kept, starts)
        if kept:
            self._add_rows(self.dialect.split(kept), starts)

    def _keep(self, rows: list[str], kept: list[str], starts: list[bool]) -> None:
        if rows:
            kept += rows
            starts.append(self._is_start)
            starts += [False] * (len(rows) - 1)
            self._is_start = False

    def survey_tags(self, source: Source, n_columns: int, tag: int) -> "ColumnSurvey":
        """Pass over a file whose header names the columns: only the tags are of interest.

        RETURNS (ColumnSurvey): This survey.
        """
        self.columns = [Column() for _ in range(n_columns)]
        for column in self.columns:
            column.is_index = column.is_constant = column.has_positions = False
            column.is_number = column.is_grouped = False
        raw: Counter[str] = Counter()
        for first, lines in read_lines(source):
            lines = lines[max(self.n_header - first + 1, 0) :]
            cells = self._find_cells(lines, n_columns, tag)
            self.n_rows += len(cells)
            if "" in cells or len(cells) < len(lines):
                self.n_gaps += sum(map(is_border_line, lines))
            if not self.columns[tag].is_open:
                raw.update(cells)
                self.columns[tag].is_open = len(raw) > MOST_TAGS
        self.widths[n_columns] = self.n_rows
        for cell, n in raw.items():
            self.columns[tag].cells[cell.strip(" ")] += n
        return self

    def _find_cells(self, lines: list[str], n_columns: int, tag: int) -> list[str]:
        # the tags of lines that have all columns; the reader finds what is wrong with others
        delimiter = self.dialect.delimiter
        others, cells = lines, []
        if delimiter and tag == n_columns - 1:
            # most lines end in O and need no splitting, if they have all columns
            outside = f"{delimiter}O"
            others = [line for line in lines if '"' in line or not line.endswith(outside)]
            n_outside = len(lines) - len(others)
            n_cuts = "".join(lines).count(delimiter) - "".join(others).count(delimiter)
            if n_cuts == n_outside * (n_columns - 1):
                cells = ["O"] * n_outside
            else:
                others = lines
        rows = self.dialect.split(others)
        found = [row[tag] for row in rows if len(row) == n_columns]
        if len(found) < len(rows):
            pairs = zip(others, rows, strict=True)
            self.n_misfits += any('"' in line and len(row) != n_columns for line, row in pairs)
        return cells + found

    def _add_rows(self, rows: list[Row], starts: list[bool]) -> None:
        self.n_rows += len(rows)
        self.widths.update(map(len, rows))
        width = self.width
        if len(self.widths) > 1:
            pairs = [pair for pair in zip(rows, starts, strict=True) if len(pair[0]) == width]
            rows, starts = [row for row, _ in pairs], [is_start for _, is_start in pairs]
        if not rows or width > MOST_COLUMNS:
            return
        while len(self.columns) < width:
            self.columns.append(Column())
        for number, cells in enumerate(zip(*rows, strict=True)):
            column = self.columns[number]
            column.add(cells, starts, has_blanks=self.dialect.delimiter != "")

    def looks_like_pos(self) -> bool:
        """Whether the columns between word and tag hold parts of speech, not halves of words."""
        middle = self.columns[1 : self.width - 1]
        return bool(middle) and all(
            not column.is_open and all(map(_POS.fullmatch, column.cells)) for column in middle
        )

    def find_id(self, word: int, tag: int) -> int:
        """RETURNS (int): The column of the sentences' ids if nothing else parts them, else -1."""
        if self.n_gaps or self.border_widths or self.has_comments:
            return -1
        columns = [
            (len(column.groups), number)
            for number, column in enumerate(self.columns)
            if number not in (word, tag) and (column.is_number or number < word)
        ]
        n_groups, number = max(columns, default=(0, -1))
        return number if n_groups > 1 else -1
