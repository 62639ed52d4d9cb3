"""A JSON file → which tool or library wrote it → its sentences."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import islice
from typing import TypeVar

from ..bytes.source import Source
from ..columns.tag_forms import BARE, USUAL, TagForms, are_bare_labels, choose_forms
from ..columns.tag_reader import TagReader
from ..faults import Faults
from ..file_format import FileFormat, Opened
from ..languages import make_tokenizer
from ..sentence import FormatError, Notes, Sentence, note_missing
from ..settings import ReadSettings
from .annotators import TextSurvey, check_annotator, convert_offsets, merge_annotations
from .fields import Fields
from .json_values import read_json_records
from .label_studio import read_label_studio
from .recognise import ReadValues, recognise_records
from .text_records import (
    AnnotatedText,
    read_cluener,
    read_dataturks,
    read_entities,
    read_prodigy,
    read_spacy_json,
)
from .texts import split_text
from .token_records import list_tags, read_spacy_training, read_token_record
from .word_spans import read_word_spans

T = TypeVar("T")
ReadRecord = Callable[[Fields, Notes], Iterator[AnnotatedText]]

_TEXT_RECORDS: Mapping[str, ReadRecord] = {
    "spacy-jsonl": read_spacy_json,
    "prodigy": read_prodigy,
    "label-studio": read_label_studio,
    "dataturks": read_dataturks,
    "cluener": read_cluener,
    "doccano": read_entities,
    "entities": read_entities,
    "brat": read_entities,
    "word-spans": read_word_spans,
}
_TOKEN_RECORDS = {"spacy-training": read_spacy_training, "hf-tokens": read_token_record}

_JSON = re.compile(r"\{\s*(\"|\})|\[\s*(\{|\"|\[|\])")
_SURVEYED = re.compile(
    r'\\u[dD][89abAB]|"(annotations|completions|annotator|user|_annotator_id|_session_id|'
    r'_is_binary|_view_id)"'
)
_LONGEST_KEY = 20
_SAMPLE = 200  # records that show how a tool counts, or spells tags
_CHUNK = 1 << 18


def open_records(
    name: str, read_values: ReadValues, source: Source, settings: ReadSettings
) -> Opened:
    """Make the reader of a file of records.

    name (str): The format of the records.
    read_values (ReadValues): Reads the records.
    source (Source): The file.
    settings (ReadSettings): Language, annotator, names of tags.
    RETURNS (Opened): The reader.
    RAISES (FormatError): If the annotator is not in the file.
    RAISES (ValueError): If the language is unknown, or its tokenizer is not installed.
    """
    if name in _TOKEN_RECORDS:
        forms = _find_forms(read_values, source, settings)
        how = f"tags are {forms.name}" if forms.name else ""
        return Opened(partial(_read_tokens, name, read_values, source, settings, forms), how)
    make_tokenizer(settings.lang)
    faults = Faults(source.name, skip_bad=True)
    records = _read_annotated(name, read_values, source, Notes(), faults)
    is_json = read_values is read_json_records
    needs_all = settings.annotator or not is_json or _needs_survey(source)
    survey = TextSurvey(records if needs_all else islice(records, _SAMPLE))
    check_annotator(settings.annotator, survey, source.name)
    how = f"offsets count {survey.counting.name}" if survey.counting else ""
    read = partial(_read_texts, name, read_values, source, settings, survey)
    if name == "word-spans":
        how = "entities count words; in a list, the end is the last word"
    return Opened(read, how, has_texts=name != "word-spans")


def _needs_survey(source: Source) -> bool:
    # whether a file may have annotators, binary answers or characters of two UTF-16 units
    before = ""
    with source.open_text() as file:
        while chunk := file.read(_CHUNK):
            text = before + chunk
            if (not chunk.isascii() and max(chunk) > "\uffff") or _SURVEYED.search(text):
                return True
            before = chunk[-_LONGEST_KEY:]
    return False


def _read_texts(
    name: str,
    read_values: ReadValues,
    source: Source,
    settings: ReadSettings,
    survey: TextSurvey,
    *,
    notes: Notes,
) -> Iterator[Sentence]:
    tokenize = make_tokenizer(settings.lang)
    faults = Faults(source.name, skip_bad=settings.skip_bad, how=f"It was read as {name}.")
    records = _read_annotated(name, read_values, source, notes, faults)
    if survey.counting:
        records = (convert_offsets(record, survey.counting) for record in records)
        text = f"offsets count {survey.counting.name}; converted"
        notes.add("offset-units", text, source.name)
    elif survey.n_doubtful:
        text = (
            "records with emoji or similar characters before an entity: offsets are read as "
            "characters, but may be UTF-16 units"
        )
        notes.add("doubtful-offsets", text, source.name, count=survey.n_doubtful)
    document = 0
    for record in merge_annotations(records, survey, settings.annotator, notes):
        if not record.text:
            notes.add("empty-text", "records with an empty text, left out", record.task.place)
            continue
        document += 1
        sentences = split_text(record, document=document, tokenize=tokenize, notes=notes)
        yield from _without_faults(sentences, record.task, faults, notes)
    faults.check()


def _read_annotated(
    name: str, read_values: ReadValues, source: Source, notes: Notes, faults: Faults
) -> Iterator[AnnotatedText]:
    for task in read_values(source, faults, notes):
        yield from _without_faults(_TEXT_RECORDS[name](task, notes), task, faults, notes)


def _read_tokens(
    name: str,
    read_values: ReadValues,
    source: Source,
    settings: ReadSettings,
    forms: TagForms,
    *,
    notes: Notes,
) -> Iterator[Sentence]:
    faults = Faults(source.name, skip_bad=settings.skip_bad, how=f"It was read as {name}.")
    checker = TagReader(source, forms)
    for document, task in enumerate(read_values(source, faults, notes), start=1):
        sentences = _TOKEN_RECORDS[name](task, checker, settings.tag_names, document)
        for sentence in _without_faults(sentences, task, faults, notes):
            note_missing(sentence.missing, task.place, notes)
            yield sentence
    faults.check()


def _find_forms(read_values: ReadValues, source: Source, settings: ReadSettings) -> TagForms:
    # how the tags of the first records are spelled; numbers get their names later
    if settings.bare_labels:
        return BARE
    tags = Counter[str]()
    faults = Faults(source.name, skip_bad=True)
    for task in islice(read_values(source, faults, None), _SAMPLE):
        tags.update(tag for tag in list_tags(task.value) if not tag.isdecimal())
    forms = choose_forms(tags, label=settings.label)
    return forms or (BARE if are_bare_labels(tags) else USUAL)


def _without_faults(items: Iterator[T], task: Fields, faults: Faults, notes: Notes) -> Iterator[T]:
    # the items of one record, or none if the record has a fault
    try:
        yield from list(items)
    except FormatError as error:
        faults.add("broken record", error)
        faults.skip(task.place, notes)


@lru_cache(maxsize=4)
def _recognise_json(source: Source) -> str:
    return recognise_records(source, read_json_records)


def _is_json_of(name: str, source: Source, head: str) -> bool:
    return _JSON.match(head) is not None and _recognise_json(source) == name


JSON_FORMATS = tuple(
    FileFormat(
        name,
        partial(_is_json_of, name),
        partial(open_records, name, read_json_records),
    )
    for name in (*_TEXT_RECORDS, *_TOKEN_RECORDS)
    if name != "brat"
)
"""The JSON formats; the first records of a file decide which one it has."""
