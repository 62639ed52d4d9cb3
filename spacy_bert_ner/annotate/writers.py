"""Labelled docs with their records → the file of a part, in one of six formats."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from spacy.tokens import Doc, DocBin, Span

from ..read.records.from_docs import doc_to_label_studio, doc_to_prodigy
from ..read.sentence import DocData
from ..read.writers import doc_to_columns
from .places import import_pyarrow
from .records import TextRecord

OUTPUT_FORMATS = {
    "jsonl": ".jsonl",
    "parquet": ".parquet",
    "spacy": ".spacy",
    "label-studio": ".json",
    "prodigy": ".jsonl",
    "conll": ".conll",
}
"""The formats that can be written, and how their files end."""

_ROWS = 1_000  # of a row group that is built in memory


class PartWriter(Protocol):
    """Takes docs one by one, and has written the file after `close`."""

    def add(self, record: TextRecord, doc: Doc, ents: list[Span]) -> None:
        """Add a labelled record."""

    def close(self) -> None:
        """Write the rest."""


def open_part_writer(path: Path, to: str, model: str) -> PartWriter:
    """Open the file of a part.

    path (Path): The file.
    to (str): One of `OUTPUT_FORMATS`.
    model (str): Name and version of the model, for Label Studio.
    RETURNS (PartWriter): Takes the docs.
    """
    if to == "parquet":
        return _ParquetWriter(path)
    if to == "spacy":
        return _DocBinWriter(path)
    return _TextWriter(path, to, model)


def list_entities(ents: list[Span]) -> list[dict[str, Any]]:
    """RETURNS (List[Dict]): Offsets in characters, text, label and score of each entity."""
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "text": ent.text,
            "label": ent.label_,
            "score": ent._.score,
        }
        for ent in ents
    ]


def _make_json(record: TextRecord, doc: Doc, ents: list[Span], model: str) -> dict[str, Any]:
    own = {"id": record.id, "text": record.text, "entities": list_entities(ents)}
    others = {f"input_{k}" if k in own else k: value for k, value in record.fields.items()}
    return {**own, **others}


def _make_prodigy(record: TextRecord, doc: Doc, ents: list[Span], model: str) -> dict[str, Any]:
    found = doc_to_prodigy(_make_doc_data(doc, ents))
    for span, ent in zip(found["spans"], ents, strict=True):
        span["score"] = ent._.score
    del found["answer"]  # nobody has seen it
    return {**found, "meta": {**record.fields, "id": record.id}}


def _make_label_studio(
    record: TextRecord, doc: Doc, ents: list[Span], model: str
) -> dict[str, Any]:
    task = doc_to_label_studio(_make_doc_data(doc, ents))
    regions = task["annotations"][0]["result"]
    for region, ent in zip(regions, ents, strict=True):
        region["score"] = ent._.score
    data = {**record.fields, "id": record.id, **task["data"]}
    return {"data": data, "predictions": [{"model_version": model, "result": regions}]}


def _make_doc_data(doc: Doc, ents: list[Span]) -> DocData:
    return DocData(
        [token.text for token in doc],
        [bool(token.whitespace_) for token in doc],
        [(ent.start, ent.end, ent.label_) for ent in ents],
        [sent.start for sent in doc.sents] if doc.has_annotation("SENT_START") else [],
    )


def _make_columns(record: TextRecord, doc: Doc, ents: list[Span]) -> str:
    kept = [token for token in doc if not token.is_space]
    number = {token.i: i for i, token in enumerate(kept)}
    spans = []
    for ent in ents:
        inside = [number[token.i] for token in ent if token.i in number]
        if inside:
            spans.append((inside[0], inside[-1] + 1, ent.label_))
    has_sents = doc.has_annotation("SENT_START")
    starts = [number[token.i] for token in kept if has_sents and token.is_sent_start]
    data = DocData([t.text for t in kept], [bool(t.whitespace_) for t in kept], spans, starts)
    return f"# id = {json.dumps(record.id, ensure_ascii=False)}\n{doc_to_columns(data)}"


_MAKERS: dict[str, Callable[[TextRecord, Doc, list[Span], str], dict[str, Any]]] = {
    "jsonl": _make_json,
    "prodigy": _make_prodigy,
    "label-studio": _make_label_studio,
}


class _TextWriter:
    def __init__(self, path: Path, to: str, model: str) -> None:
        # half a surrogate pair in a field is written as JSON escapes it
        self._file = path.open("w", encoding="utf8", errors="backslashreplace", newline="\n")
        self._make = _MAKERS.get(to)
        self._model = model
        self._is_list = to == "label-studio"
        self._n_docs = 0

    def add(self, record: TextRecord, doc: Doc, ents: list[Span]) -> None:
        if self._make is None:
            self._file.write(_make_columns(record, doc, ents))
            return
        text = json.dumps(
            self._make(record, doc, ents, self._model), ensure_ascii=False, default=str
        )
        if self._is_list:
            text = ("[\n", ",\n")[self._n_docs > 0] + text
        self._n_docs += 1
        self._file.write(text if self._is_list else text + "\n")

    def close(self) -> None:
        if self._is_list:
            self._file.write("\n]\n" if self._n_docs else "[]\n")
        self._file.close()


class _DocBinWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._docs = DocBin(store_user_data=True)

    def add(self, record: TextRecord, doc: Doc, ents: list[Span]) -> None:
        doc.user_data["id"] = record.id
        doc.user_data["fields"] = json.dumps(record.fields, default=str)
        self._docs.add(doc)

    def close(self) -> None:
        self._docs.to_disk(self._path)


def find_schema() -> Any:
    """Make the Arrow schema of Parquet output, which is the same for all inputs.

    RETURNS (pyarrow.Schema): The columns id, text, entities and fields.
    RAISES (ValueError): If pyarrow is not installed.
    """
    pa = import_pyarrow("")
    text, number = pa.string(), pa.int64()
    entity = {"start": number, "end": number, "text": text, "label": text, "score": pa.float64()}
    entities = pa.list_(pa.struct(entity))
    return pa.schema({"id": text, "text": text, "entities": entities, "fields": text})


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self._schema = find_schema()
        self._table = import_pyarrow("").Table
        self._file = import_pyarrow("parquet").ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, record: TextRecord, doc: Doc, ents: list[Span]) -> None:
        fields = json.dumps(record.fields, default=str)
        row = {"id": record.id, "text": record.text, "entities": list_entities(ents)}
        self._rows.append({**row, "fields": fields})
        if len(self._rows) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._file.close()
