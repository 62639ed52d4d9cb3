"""Parquet, Arrow, the folder of a data set, or CSV of texts → records like those of JSON."""

import ast
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ..bytes.source import Source
from ..columns.headers import has_columns
from ..columns.sentence_rows import read_csv_rows, read_header
from ..faults import Faults
from ..file_format import FileFormat, Opened
from ..sentence import FormatError, Notes
from ..settings import ReadSettings
from .fields import Fields
from .recognise import recognise_records
from .record_formats import open_records
from .token_records import find_class_names, find_token_keys

_BATCH = 256  # rows in memory at once
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
_DICT_FILE = "dataset_dict.json"
_SPAN_CELL = re.compile(
    r"""(^|[,;\t|])"?"""
    r"""(\[\s*[\[(]\s*\d+\s*,\s*\d+\s*,"""  # [[0, 4, or [(0, 4,
    r"""|\[?\s*\{[^{}\n]{0,300}?["'](start\w*|begin\w*|offset|entities)["']{1,2}\s*:)""",
    re.MULTILINE,
)
"""A cell of spans: lists, or an object with a start or with entities."""


def _is_table(source: Source, head: str) -> bool:
    if source.encoding == "folder":
        return bool(_list_parts(source.path) or _list_files(source.path))
    return source.first_bytes.startswith((_PARQUET, _ARROW)) or source.suffix == ".arrow"


def _open_table(source: Source, settings: ReadSettings) -> Opened:
    if not settings.tag_names:
        settings = replace(settings, tag_names=_find_tag_names(source))
    name = recognise_records(source, read_table_rows)
    opened = open_records(name, read_table_rows, source, settings)
    names = ", ".join(settings.tag_names)
    return opened._replace(how=f"tags {names}" if names else opened.how)


def read_table_rows(
    source: Source, faults: Faults | None = None, notes: Notes | None = None
) -> Iterator[Fields]:
    """Read the rows of a table in batches.

    source (Source): A Parquet or Arrow file, or the folder of one part of a data set.
    faults (Faults | None): Not used: any fault of the file is an error at once.
    notes (Notes | None): Not used.
    YIELDS (Fields): The rows as objects, with their numbers.
    RAISES (FormatError): If pyarrow is not installed, or cannot read the file.
    """
    number = 0
    for table in _read_batches(source):
        for row in table.to_pylist():
            number += 1
            yield Fields(source, number, row, is_line=False)


def _read_batches(source: Source) -> Iterator[Any]:
    pyarrow = _import_pyarrow(source)
    try:
        if source.encoding == "folder":
            for path in _find_files(source):
                with path.open("rb") as file:
                    yield from _read_stream(file)
        else:
            with source.open_bytes() as file:
                yield from _read_stream(file if file.seekable() else io.BytesIO(file.read()))
    except (pyarrow.ArrowException, OSError) as err:
        raise FormatError(
            source.name,
            f"a Parquet or Arrow file that pyarrow cannot read ({str(err)[:100]}). Fetch it again, "
            "or write it as JSON lines with tokens and ner_tags.",
        ) from err


def _read_stream(file: BinaryIO) -> Iterator[Any]:
    from pyarrow import ipc, parquet

    start = file.read(len(_ARROW))
    file.seek(0)
    if start.startswith(_PARQUET):
        yield from parquet.ParquetFile(file).iter_batches(batch_size=_BATCH)
    elif start == _ARROW:
        reader = ipc.open_file(file)
        for i in range(reader.num_record_batches):
            yield from _cut(reader.get_batch(i))
    else:
        for batch in ipc.open_stream(file):
            yield from _cut(batch)


def _cut(batch: Any) -> Iterator[Any]:
    for start in range(0, batch.num_rows, _BATCH):
        yield batch.slice(start, _BATCH)


def _find_tag_names(source: Source) -> tuple[str, ...]:
    # the ClassLabel names that `datasets` writes into the schema
    batch = next(_read_batches(source), None)
    if batch is None:
        return ()
    keys = next(filter(None, map(find_token_keys, batch.to_pylist())), None)
    if keys is None:
        return ()
    facts = (batch.schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        return find_class_names(json.loads(facts)["info"]["features"][keys[1]])
    except (ValueError, KeyError, TypeError):  # other programs may write there what they like
        return ()


def _find_files(source: Source) -> list[Path]:
    parts = _list_parts(source.path)
    if len(parts) > 1:
        raise FormatError(
            source.name,
            f"a data set of the parts {', '.join(parts)}, expected one of them. Name it: "
            f"{source.path / parts[0]}, or with its part: train={source.path / parts[0]}.",
        )
    files = _list_files(source.path / parts[0] if parts else source.path)
    prefixes = sorted({path.name.partition("-")[0] for path in files})
    if len(prefixes) > 1:
        raise FormatError(
            source.name,
            f"a folder with files of {', '.join(prefixes)}, expected those of one part. Give one "
            f"of the files, such as {files[0]}.",
        )
    return files


def _list_parts(folder: Path) -> list[str]:
    # folders of `DatasetDict.save_to_disk`
    if not (folder / _DICT_FILE).is_file():
        return []
    return sorted(path.name for path in folder.iterdir() if _list_files(path))


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if path.suffix in (".parquet", ".arrow"))
    state = folder / "state.json"
    if state.is_file():  # it lists the files of `save_to_disk`; the others are a cache
        names = {item["filename"] for item in json.loads(state.read_text("utf8"))["_data_files"]}
        files = [path for path in files if path.name in names]
    return files


def _import_pyarrow(source: Source) -> Any:
    try:
        import pyarrow
    except ImportError as err:
        raise FormatError(
            source.name,
            "a Parquet or Arrow file, which needs the package pyarrow. Install it: pip install "
            "pyarrow; or write the data as JSON lines with tokens and ner_tags.",
        ) from err
    return pyarrow


def _is_text_rows(source: Source, head: str) -> bool:
    header, _, rows = head.partition("\n")
    return has_columns(header, ("text",)) and _SPAN_CELL.search(rows) is not None


def _open_text_rows(source: Source, settings: ReadSettings) -> Opened:
    name = recognise_records(source, read_text_rows)
    opened = open_records(name, read_text_rows, source, settings)
    return opened._replace(how="; ".join(filter(None, (f"cells are read as {name}", opened.how))))


def read_text_rows(
    source: Source, faults: Faults | None = None, notes: Notes | None = None
) -> Iterator[Fields]:
    """Read CSV rows of a text and its spans, in a cell of JSON or as Python prints a list.

    source (Source): The file; its header names the column of the text.
    faults (Faults | None): Takes rows with other columns than the header's, and broken CSV.
    notes (Notes | None): Counts the rows that are left out.
    YIELDS (Fields): The rows as objects, with their lines.
    RAISES (FormatError): If no column is that of the text.
    """
    faults = faults or Faults(source.name, skip_bad=True)
    with source.open_text(newline="") as file:
        delimiter, names, (text,) = read_header(source, next(file, ""), ("text",))
        for line, row in read_csv_rows(source, file, delimiter, len(names), faults):
            if not row:
                faults.skip(f"{source.name}:{line}", notes or Notes())
                continue
            record = {name: _read_cell(cell) for name, cell in zip(names, row, strict=True)}
            yield Fields(source, line, {**record, "text": row[text]})


def _read_cell(cell: str) -> Any:
    # spans as a list, or the cell; data are parsed, never evaluated
    if not cell.startswith(("[", "{")):
        return cell or None
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        try:
            value = json.loads(json.dumps(ast.literal_eval(cell)))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return cell
    return value["entities"] if isinstance(value, dict) and "entities" in value else value


TABLE_FORMATS = (
    FileFormat("parquet", _is_table, _open_table),
    FileFormat("text-rows", _is_text_rows, _open_text_rows),
)
"""Tables of records: Parquet, Arrow, folders of Hugging Face data sets, CSV of texts."""
