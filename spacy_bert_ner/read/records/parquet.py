"""Parquet, Arrow, or the folder of a Hugging Face data set → records like those of JSON."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ..bytes.source import Source
from ..faults import Faults
from ..file_format import FileFormat, Opened
from ..sentence import FormatError, Notes
from ..settings import ReadSettings
from .fields import Fields
from .recognise import recognise_records
from .record_formats import open_records
from .token_records import TAG_KEYS, find_class_names

_BATCH = 256  # rows in memory at once
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
_DICT_FILE = "dataset_dict.json"


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
    facts = (batch.schema.metadata or {}).get(b"huggingface") if batch is not None else None
    if facts is None:
        return ()
    features = json.loads(facts).get("info", {}).get("features", {})
    for key in TAG_KEYS:
        names = find_class_names(features.get(key))
        if names:
            return names
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


TABLE_FORMATS = (FileFormat("parquet", _is_table, _open_table),)
"""Tables of records: Parquet, Arrow, and folders of Hugging Face data sets."""
