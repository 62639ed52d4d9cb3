"""JSON of annotation tools → its kind recognised → sentences."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import spacy
from spacy.tokenizer import Tokenizer

from .fields import Fields, read_json_lines, read_json_list
from .file_format import FileFormat, Opened
from .records import doccano_to_record, label_studio_to_record, prodigy_to_record, spacy_to_record
from .sentence import FormatError, Notes, Sentence
from .settings import ReadSettings
from .source import Source
from .texts import read_records


@lru_cache(maxsize=4)
def make_tokenizer(lang: str) -> Tokenizer:
    """Make spaCy's tokenizer for a language, once.

    lang (str): The language's code.
    RETURNS (Tokenizer): The tokenizer of a blank pipeline.
    RAISES (ValueError): If spaCy does not have the language.
    """
    try:
        return spacy.blank(lang).tokenizer
    except ImportError as err:
        raise ValueError(f"Language '{lang}', expected a code that spaCy has, such as en.") from err


def _is_json(head: str) -> bool:
    return re.match(r"\{\s*\"|\[\s*(\{|\"|\[|\])", head) is not None


def _is_json_of(kind: str, source: Source, head: str) -> bool:
    return _is_json(head) and _recognise_json(source, head) == kind


def _recognise_json(source: Source, head: str) -> str:
    if re.match(r"\[\s*(\{|\])", head):
        return "label-studio"
    record = next(read_json_lines(source)).value
    if isinstance(record, list) and len(record) == 2:
        return "spacy-jsonl"
    if isinstance(record, dict) and "text" in record:
        entities = record.get("entities") or []
        if "spans" in record or "answer" in record or "_task_hash" in record:
            return "prodigy"
        if "ents" in record or ("entities" in record and all(map(_is_list, entities))):
            return "spacy-jsonl"
        if "label" in record or "labels" in record or "entities" in record:
            return "doccano"
    raise FormatError(
        source.name,
        "JSON of an unknown kind, expected Prodigy, Doccano, spaCy (a record a line) or Label "
        "Studio (one list). Name it with --format.",
        line=1,
    )


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _open_json(kind: str, source: Source, settings: ReadSettings) -> Opened:
    read_json = read_json_list if kind == "label-studio" else read_json_lines
    return Opened(partial(_read_json, source, read_json, kind, settings.lang))


def _read_json(
    source: Source,
    read_json: Callable[[Source], Iterator[Fields]],
    name: str,
    lang: str,
    *,
    notes: Notes,
) -> Iterator[Sentence]:
    return read_records(
        read_json(source),
        to_record=_JSON_RECORDS[name],
        tokenize=make_tokenizer(lang),
        notes=notes,
    )


_JSON_RECORDS = {
    "spacy-jsonl": spacy_to_record,
    "prodigy": prodigy_to_record,
    "doccano": doccano_to_record,
    "label-studio": label_studio_to_record,
}


JSON_FORMATS = tuple(
    FileFormat(name, partial(_is_json_of, name), partial(_open_json, name), has_texts=True)
    for name in _JSON_RECORDS
)
"""The formats of JSON, in the order in which they are recognised."""
