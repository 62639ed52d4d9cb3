"""Rows of the inputs → records with ids and texts; bad ones → reasons."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..read.records.fields import describe_kind
from ..read.sentence import FormatError
from .places import InputFile
from .rows import ESCAPED_BYTE, PlacedRow, parse_fields, read_file_rows

_SURROGATE = re.compile("[\ud800-\udfff]")


class Range(NamedTuple):
    """Some rows of one file, one after the other.

    file (int): Number of the file in the job.
    first (int): Number of the first row, from 0.
    n_rows (int): How many.
    offset (int): Where the first row is.
    """

    file: int
    first: int
    n_rows: int
    offset: int


class TextRecord(NamedTuple):
    """A text to label.

    id (str): Its id in the job.
    text (str): The text.
    fields (Dict[str, Any]): The other fields.
    place (Range): The one row.
    """

    id: str
    text: str
    fields: dict[str, Any]
    place: Range


class BadRecord(NamedTuple):
    """A row that cannot be labelled.

    id (str): Its id in the job.
    reason (str): Why.
    place (Range): The one row.
    """

    id: str
    reason: str
    place: Range


def choose_text_field(file: InputFile, text_field: str) -> str:
    """RETURNS (str): The field with the text: files without named fields have "text"."""
    return "text" if file.suffix in (".txt", ".spacy") else text_field


def find_id(fields: dict[str, Any], id_field: str) -> str:
    """RETURNS (str): The id in a record's fields; empty if it is missing."""
    found = fields.get(id_field)
    is_id = isinstance(found, str | int) and not isinstance(found, bool)
    return str(found).encode("utf8", "backslashreplace").decode() if is_id else ""


def find_fault(text: Any, longest: int) -> str:
    """Find what makes a value no text that a pipeline can read.

    text (Any): The value.
    longest (int): The most characters that the pipeline reads.
    RETURNS (str): The reason; empty if it is a good text.
    """
    if not isinstance(text, str):
        return f"{describe_kind(text)}, expected a text"
    if not text.isascii() and (found := _SURROGATE.search(text)):
        is_byte = ESCAPED_BYTE.match(found[0])
        return "bytes that are not UTF-8" if is_byte else "half a surrogate pair"
    if len(text) > longest:
        return f"{len(text):,} characters, expected at most {longest:,} (`nlp.max_length`)"
    return ""


class RecordReader:
    """Reads ranges of the inputs; the next one is quick to find if it follows the last one.

    inputs (Sequence[InputFile]): The job's files.
    text_field (str): Name of the text.
    id_field (str | None): Name of the id; `None` for ids made of file and row.
    longest (int): The most characters of a text.
    """

    def __init__(
        self, inputs: tuple[InputFile, ...], text_field: str, id_field: str | None, longest: int
    ) -> None:
        """Open no file yet."""
        self.inputs = inputs
        self.text_field = text_field
        self.id_field = id_field
        self.longest = longest
        self._rows: Iterator[PlacedRow] = iter(())
        self._next = (-1, 0)  # file and row

    def read(self, span: Range) -> Iterator[TextRecord | BadRecord]:
        """Read the records of a range.

        span (Range): The rows.
        YIELDS (TextRecord | BadRecord): One for each row, in order.
        RAISES (FormatError): If the file has fewer rows: it has changed.
        """
        file, row = self.inputs[span.file], span.first
        at_file, at_row = self._next
        can_seek = not file.is_packed and file.suffix != ".spacy"
        if at_file != span.file or at_row > row or (can_seek and at_row < row):
            self._rows = read_file_rows(file, span.offset)
        self._next = (-1, 0)
        for offset, found in self._rows:
            if offset < span.offset:
                continue
            yield self.make_record(found, Range(span.file, row, 1, offset))
            row += 1
            if row == span.first + span.n_rows:
                self._next = (span.file, row)
                return
        raise FormatError(
            file.name,
            f"{row:,} rows, expected at least {span.first + span.n_rows:,}: it has changed since "
            "the job was started. Put the file back, or start the job anew.",
        )

    def make_record(self, row: Any, place: Range) -> TextRecord | BadRecord:
        """Make a record of a row.

        row (Any): As `read_file_rows` gives it.
        place (Range): Where it is.
        RETURNS (TextRecord | BadRecord): The record, or why it is bad.
        """
        file = self.inputs[place.file]
        fields = parse_fields(file, row)
        name = f"{file.name}:{place.first + 1}"
        if isinstance(fields, str):
            return BadRecord(name, fields, place)
        if self.id_field is not None:
            name = find_id(fields, self.id_field) or name
        text_field = choose_text_field(file, self.text_field)
        if text_field not in fields:
            return BadRecord(name, f"no field '{text_field}'", place)
        if fault := find_fault(fields[text_field], self.longest):
            return BadRecord(name, f"{text_field}: {fault}", place)
        dropped = (text_field, self.id_field)
        others = {key: value for key, value in fields.items() if key not in dropped}
        return TextRecord(name, fields[text_field], others, place)
