"""A Doc → one JSON record of spaCy, an annotation tool or a Hugging Face data set."""

from itertools import pairwise
from typing import Any

from ...schemes import spans_to_tags
from ..sentence import DocData
from .countings import chars_to_utf16, has_pairs

Record = dict[str, Any]
"""A JSON object."""


def doc_to_spacy(doc: DocData) -> Record:
    """Write a Doc as `Doc.to_json` does: the inverse of `read_spacy_json`.

    doc (DocData): The Doc.
    RETURNS (dict): Its text, entities, tokens, span groups and marked sentences.
    """
    borders = find_borders(doc)
    record: Record = {
        "text": doc.text,
        "ents": _to_objects(doc, borders),
        "tokens": [{"id": i, "start": a, "end": b} for i, (a, b) in enumerate(borders)],
    }
    if doc.groups:
        record["spans"] = {
            name: _to_objects(doc._replace(spans=list(group)), borders)
            for name, group in doc.groups.items()
        }
    return _add_sentences(record, doc, borders)


def doc_to_prodigy(doc: DocData) -> Record:
    """Write a Doc as an accepted Prodigy task: the inverse of `read_prodigy`.

    doc (DocData): The Doc; span groups are not kept.
    RETURNS (dict): Its text, tokens and spans; a binary task if annotation is missing.
    """
    borders = find_borders(doc)
    spans = [
        {**record, "token_start": start, "token_end": end - 1}
        for record, (start, end, _) in zip(_to_objects(doc, borders), doc.spans, strict=True)
    ]
    tokens = [
        {"text": word, "start": start, "end": end, "id": i, "ws": space}
        for i, (word, (start, end), space) in enumerate(
            zip(doc.words, borders, doc.spaces, strict=True)
        )
    ]
    record: Record = {"text": doc.text, "tokens": tokens, "spans": spans, "answer": "accept"}
    if doc.missing:
        record["_is_binary"] = True
    return _add_sentences(record, doc, borders)


def doc_to_doccano(doc: DocData) -> Record:
    """Write a Doc as a line of Doccano: the inverse of `read_entities`.

    Offsets count UTF-16 units, as in Doccano. If characters would give other numbers, the
    record has `offset_unit`.

    doc (DocData): The Doc; tokens, sentences and span groups are not kept.
    RETURNS (dict): Its text and `[start, end, label]` lists.
    """
    borders, text = find_borders(doc), doc.text
    label = [
        [*_to_units(text, borders[start][0], borders[end - 1][1]), name]
        for start, end, name in doc.spans
    ]
    record: Record = {"text": text, "label": label}
    if has_pairs(text):
        record["offset_unit"] = "utf-16"
    return record


def doc_to_label_studio(doc: DocData) -> Record:
    """Write a Doc as an annotated task: the inverse of `read_label_studio`.

    doc (DocData): The Doc; tokens, sentences and span groups are not kept.
    RETURNS (dict): The task, for a labelling interface with the tags `text` and `label`.
    """
    borders, text = find_borders(doc), doc.text
    result = []
    for start, end, name in doc.spans:
        first, last = borders[start][0], borders[end - 1][1]
        unit_start, unit_end = _to_units(text, first, last)
        value = {"start": unit_start, "end": unit_end, "text": text[first:last], "labels": [name]}
        result.append({"from_name": "label", "to_name": "text", "type": "labels", "value": value})
    return {"data": {"text": text}, "annotations": [{"result": result}]}


def doc_to_tokens(doc: DocData) -> Record:
    """Write a Doc as a record of a Hugging Face data set: the inverse of `read_token_record`.

    doc (DocData): The Doc; span groups are not kept.
    RETURNS (dict): Its tokens, IOB2 tags, spaces and sentence starts.
    """
    tags = spans_to_tags(doc.spans, len(doc.words))
    record: Record = {"tokens": doc.words, "ner_tags": tags, "spaces": doc.spaces}
    return record if doc.starts == [0] else {**record, "sent_starts": doc.starts}


def find_borders(doc: DocData) -> list[tuple[int, int]]:
    """RETURNS (list[tuple[int, int]]): Where each token starts and ends, in characters."""
    borders, at = [], 0
    for word, space in zip(doc.words, doc.spaces, strict=True):
        borders.append((at, at + len(word)))
        at += len(word) + space
    return borders


def _to_objects(doc: DocData, borders: list[tuple[int, int]]) -> list[Record]:
    return [
        {"start": borders[start][0], "end": borders[end - 1][1], "label": label}
        for start, end, label in doc.spans
    ]


def _add_sentences(record: Record, doc: DocData, borders: list[tuple[int, int]]) -> Record:
    if doc.starts:
        record["sents"] = [
            {"start": borders[start][0], "end": borders[end - 1][1]}
            for start, end in pairwise([*doc.starts, len(doc.words)])
        ]
    return record


def _to_units(text: str, start: int, end: int) -> tuple[int, int]:
    return chars_to_utf16(text, start), chars_to_utf16(text, end)
