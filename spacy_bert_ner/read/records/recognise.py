"""The first records of a file → their format, or an error that says what is missing."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..bytes.source import Source
from ..columns.headers import find_columns
from ..faults import Faults
from ..sentence import FormatError, Notes
from .fields import Fields
from .label_studio import find_regions
from .offsets import list_spans
from .text_records import ENTITY_KEYS, TEXT_KEYS
from .token_records import find_token_keys
from .word_spans import find_span_keys

ReadValues = Callable[[Source, Faults | None, Notes | None], Iterator[Fields]]
"""Reads the records of a file of any form."""

_MOST_HEAD = 100  # records that may decide the format
_WRITE = (
    "Write one object for each text, with the text as 'text' and the spans as 'entities': a list "
    "of [start, end, label]."
)
_RENAME = (
    "Rename the keys of the text and its spans to 'text' and 'entities', or those of the words "
    "and their tags to 'tokens' and 'ner_tags'."
)


def recognise_records(source: Source, read_values: ReadValues) -> str:
    """Find the format of a file's records; the first clear one decides.

    source (Source): The file.
    read_values (ReadValues): Reads the records.
    RETURNS (str): One of the formats of texts or tokens.
    RAISES (FormatError): If no record has a known form.
    """
    guess, keys, advice = "", "no record with keys", _WRITE
    for record in islice(read_values(source, None, None), _MOST_HEAD):
        found, is_clear = recognise_record(record.value)
        if is_clear:
            return found
        guess = guess or found
        if isinstance(record.value, Mapping):
            keys = f"keys {', '.join(map(str, record.value))[:200]}"
            advice = _advise(record.value)
    if guess:
        return guess
    raise FormatError(
        source.name,
        f"records of an unknown kind ({keys}), expected texts with entities as Prodigy, Doccano, "
        f"Label Studio or spaCy write them, or lists of tokens and tags. {advice}",
        line=1,
    )


def recognise_record(record: Any) -> tuple[str, bool]:
    """Find the format of one record.

    record (Any): The JSON value.
    RETURNS (tuple[str, bool]): The format, or "", and whether it is certain.
    """
    if isinstance(record, list):
        if find_token_keys(record):
            return "hf-tokens", True
        is_pair = len(record) == 2 and isinstance(record[0], str)
        return ("spacy-jsonl" if is_pair else ""), is_pair
    if not isinstance(record, Mapping):
        return "", False
    if isinstance(record.get("paragraphs"), list):
        return "spacy-training", True
    if keys := find_token_keys(record):
        return "hf-tokens", all(map(record.get, keys))
    if "content" in record and "annotation" in record:
        return "dataturks", True
    if isinstance(record.get("data"), Mapping):
        return "label-studio", True
    if not any(isinstance(record.get(key), str) for key in TEXT_KEYS):
        return ("word-spans", True) if find_span_keys(record) else ("", False)
    if find_regions(record) or "annotation_id" in record:
        return "label-studio", bool(find_regions(record))
    if "answer" in record or "_task_hash" in record or isinstance(record.get("spans"), list):
        return "prodigy", True
    return _recognise_entities(record)


def _recognise_entities(record: Mapping[str, Any]) -> tuple[str, bool]:
    if "ents" in record:
        return "spacy-jsonl", True
    if isinstance(list_spans(record.get("label")), Mapping):
        return "cluener", True
    for key in ENTITY_KEYS:
        spans = list_spans(record.get(key))
        if not isinstance(spans, list):
            continue
        if not spans:
            return ("spacy-jsonl" if key == "entities" else "doccano"), False
        if isinstance(spans[0], Mapping):
            return ("doccano" if "start_offset" in spans[0] else "entities"), True
        return ("spacy-jsonl" if key == "entities" else "doccano"), True
    return "", False


def _advise(record: Mapping[str, Any]) -> str:
    if any(isinstance(record.get(key), str) for key in TEXT_KEYS):
        if any(isinstance(record.get(key), (str, list)) for key in ENTITY_KEYS):
            return (
                "The labels are those of whole texts, as in a classification or translation "
                "project. Export one in which spans of the text are labelled."
            )
        return "Add the spans as 'entities': a list of [start, end, label]."
    if find_columns([str(key) for key in record], ("word", "tag")) is not None:
        return (
            "One record for each word is not read: write the table as CSV, with the columns "
            "'sentence_id', 'word' and 'tag'."
        )
    if any(isinstance(value, str) and " " in value for value in record.values()):
        return _RENAME
    return (
        "The text is missing or deeper in the record; some tools (Azure, tagtog, Amazon "
        f"Comprehend) keep it in a file of its own. {_WRITE}"
    )
