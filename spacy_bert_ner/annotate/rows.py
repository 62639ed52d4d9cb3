"""Input files → their rows as they are, from any place in the file → the rows' fields."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..read.bytes.packed import unpack
from ..read.records.fields import describe_kind
from ..read.sentence import FormatError
from .places import InputFile, import_pyarrow, open_location

MOST_LINE_BYTES = 1 << 26
"""Bytes of a line from which on it is a bad record."""

ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as the rows hold it."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_TOO_LONG = f"a line of {MOST_LINE_BYTES:,} bytes or more"

PlacedRow = tuple[int, Any]
"""Where a row is (bytes from the unpacked beginning, or rows in a binary file), and the row."""


class _Lines:
    # Decoded lines with the number of bytes up to here; other bytes than UTF-8 become surrogates.

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        self.stream = stream
        self.offset = offset

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.stream.readline(MOST_LINE_BYTES)
        if not line:
            raise StopIteration
        if self.offset == 0 and line.startswith(_UTF_16):
            raise ValueError("UTF-16, expected UTF-8. Convert the file first.")
        codec = "utf-8-sig" if self.offset == 0 else "utf-8"
        self.offset += len(line)
        return line.decode(codec, "surrogateescape")


def _skip(stream: BinaryIO, n_bytes: int) -> None:
    if stream.seekable():
        stream.seek(n_bytes)
        return
    while n_bytes and (data := stream.read(min(n_bytes, 1 << 20))):
        n_bytes -= len(data)


def _read_lines(stream: BinaryIO, offset: int, *, keep_blank: bool) -> Iterator[PlacedRow]:
    _skip(stream, offset)
    lines = _Lines(stream, offset)
    at = offset
    for line in lines:
        if lines.offset - at == MOST_LINE_BYTES and not line.endswith("\n"):
            while not next(lines, "\n").endswith("\n"):
                pass
            yield at, None
        elif keep_blank or not line.isspace():
            yield at, line.rstrip("\r\n")
        at = lines.offset


def _parse_text(line: str | None) -> dict[str, Any] | str:
    return _TOO_LONG if line is None else {"text": line}


def _parse_json(line: str | None) -> dict[str, Any] | str:
    if line is None:
        return _TOO_LONG
    if not line.isascii() and ESCAPED_BYTE.search(line):
        return "bytes that are not UTF-8"
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error})"
    return value if isinstance(value, dict) else f"{describe_kind(value)}, expected an object"


def _read_csv(stream: BinaryIO, offset: int, *, delimiter: str) -> Iterator[PlacedRow]:
    lines = _Lines(stream, 0)
    header = _next_row(csv.reader(lines, delimiter=delimiter)) or []
    if len(set(header)) < len(header):
        raise ValueError(f"columns {', '.join(header)}, expected each name once. Rename them.")
    if offset:
        _skip(stream, offset) if stream.seekable() else _skip(stream, offset - lines.offset)
        lines = _Lines(stream, offset)
    at = lines.offset
    rows = csv.reader(lines, delimiter=delimiter)
    while (cells := _next_row(rows)) is not None:
        if cells:
            yield at, (header, cells)
        at = lines.offset


def _next_row(rows: Iterator[list[str]]) -> list[str] | None:
    # The limit holds for the whole process, and others rely on theirs.
    before = csv.field_size_limit(MOST_LINE_BYTES)
    try:
        return next(rows, None)
    finally:
        csv.field_size_limit(before)


def _parse_csv(row: tuple[list[str], list[str]]) -> dict[str, Any] | str:
    header, cells = row
    if len(cells) != len(header):
        return f"{len(cells)} cells, expected {len(header)}"
    if any(not cell.isascii() and ESCAPED_BYTE.search(cell) for cell in cells):
        return "bytes that are not UTF-8"
    return dict(zip(header, cells, strict=True))


def _read_parquet(stream: BinaryIO, offset: int) -> Iterator[PlacedRow]:
    file, at = import_pyarrow("parquet").ParquetFile(stream), 0
    for i in range(file.num_row_groups):
        n_rows = file.metadata.row_group(i).num_rows
        if at + n_rows <= offset:
            at += n_rows
            continue
        for batch in file.iter_batches(batch_size=256, row_groups=[i]):
            for values in batch.to_pylist():
                if at >= offset:
                    yield at, values
                at += 1


def _read_docbin(stream: BinaryIO, offset: int) -> Iterator[PlacedRow]:
    for at, doc in enumerate(DocBin().from_bytes(stream.read()).get_docs(Vocab())):
        if at >= offset:
            stored = {key: value for key, value in doc.user_data.items() if isinstance(key, str)}
            yield at, {**stored, "text": doc.text}


def _keep(fields: dict[str, Any]) -> dict[str, Any] | str:
    return fields


class _Format(NamedTuple):
    # read: the rows from an offset; parse: a row's fields, or why it has none
    read: Callable[[BinaryIO, int], Iterator[PlacedRow]]
    parse: Callable[[Any], dict[str, Any] | str]
    is_text: bool = True


_FORMATS = {
    ".txt": _Format(partial(_read_lines, keep_blank=True), _parse_text),
    ".jsonl": _Format(partial(_read_lines, keep_blank=False), _parse_json),
    ".csv": _Format(partial(_read_csv, delimiter=","), _parse_csv),
    ".tsv": _Format(partial(_read_csv, delimiter="\t"), _parse_csv),
    ".parquet": _Format(_read_parquet, _keep, is_text=False),
    ".spacy": _Format(_read_docbin, _keep, is_text=False),
}


def read_file_rows(file: InputFile, offset: int = 0) -> Iterator[PlacedRow]:
    """Read the rows of a file, as they are.

    file (InputFile): The file.
    offset (int): Where to start: that of a row.
    YIELDS (Tuple[int, Any]): Where the row is, and the row.
    RAISES (FormatError): If the file is damaged.
    """
    kind = _FORMATS[file.suffix]
    with ExitStack() as stack:
        stream = stack.enter_context(open_location(file.location))
        if kind.is_text:
            stream = stack.enter_context(unpack(stream, file.name))
        try:
            yield from kind.read(stream, offset)
        except (OSError, FormatError):
            raise
        except (ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
            raise FormatError(
                file.name, f"not readable as {file.suffix} ({error}). Fetch or write it again."
            ) from error


def parse_fields(file: InputFile, row: Any) -> dict[str, Any] | str:
    """RETURNS (Dict[str, Any] | str): A row's fields by name, or why it has none."""
    return _FORMATS[file.suffix].parse(row)
