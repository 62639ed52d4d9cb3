"""A text file of rows → its lines in chunks, split into cells."""

import csv
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..bytes.source import Source
from ..sentence import FormatError

LONGEST_LINE = 1 << 20
"""Bytes of a line of cells; more is no table."""

_CHUNK = 1 << 12  # few rows live at once: the garbage collector is not called for them

Row = list[str]
"""The cells of a line; none for a line that is no CSV."""


class Dialect(NamedTuple):
    """How lines are split into cells.

    delimiter (str): Tab, comma, semicolon or pipe; "" for runs of blanks and tabs.
    is_quoted (bool): Whether quotes enclose cells, as in CSV. A cell never holds a line
        end, quoted or not.
    """

    delimiter: str
    is_quoted: bool = False

    def __str__(self) -> str:
        """Say it to the user."""
        names = {"": "blanks", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "pipes"}
        return f"split at {names[self.delimiter]}" + (", quoted" if self.is_quoted else "")

    def split(self, lines: Sequence[str]) -> list[Row]:
        """Split lines into rows, one for each line."""
        if not self.delimiter:
            text = "\n".join(("", *lines, "")).replace("\t", " ")
            rows = [line.split(" ") if line else [] for line in text.split("\n")[1:-1]]
            if "  " in text or "\n " in text or " \n" in text:
                rows = [[cell for cell in row if cell] for row in rows]
            return rows
        if not self.is_quoted:
            return [line.split(self.delimiter) for line in lines]
        try:
            rows = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            rows = []
        return rows if len(rows) == len(lines) else [self.split_quoted(line) for line in lines]

    def split_quoted(self, line: str) -> Row:
        """Split one line of CSV; no cells if its quotes do not close."""
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True), [])
        except csv.Error:
            return []


def check_lines(source: Source) -> None:
    """Refuse a file with a line longer than any table's, before a line is in memory.

    RAISES (FormatError): If there is one.
    """
    if source.longest_line > LONGEST_LINE:
        raise FormatError(
            source.name,
            f"a line of {source.longest_line:,} bytes, expected at most {LONGEST_LINE:,}. "
            "Check the line ends; the file may be binary data or JSON.",
        )


def read_lines(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Read a text in chunks of whole lines.

    source (Source): The file.
    YIELDS (tuple[int, list[str]]): Number of the first line, and the lines without ends.
    RAISES (FormatError): If a line is longer than any table's.
    """
    check_lines(source)
    number = 1
    with source.open_text() as file:
        while text := file.read(_CHUNK):
            text += file.readline()
            if "\ufeff" in text:  # the mark of a file that was put after another one
                text = f"\n{text}".replace("\n\ufeff", "\n")[1:]
            lines = text.split("\n")
            if not lines[-1]:
                lines.pop()
            yield number, lines
            number += len(lines)


def split_at_blanks(text: str) -> list[str]:
    """Split at runs of blanks and tabs, and at no other white space.

    EXAMPLE:
        >>> split_at_blanks(" 5\\xa0km \\tO ")
        ['5\\xa0km', 'O']
    """
    return Dialect("").split([text])[0]
