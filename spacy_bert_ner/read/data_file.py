"""A file as the user names it → its format recognised → its sentences, as often as needed."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import spacy
from spacy.tokenizer import Tokenizer

from ..schemes import is_tag
from .cells import has_columns
from .columns import find_layout, read_columns
from .docbin import read_docbin
from .fields import Fields, read_json_lines, read_json_list
from .piped import read_piped
from .records import doccano_to_record, label_studio_to_record, prodigy_to_record, spacy_to_record
from .rows import read_sentence_rows, read_token_rows
from .sentence import FormatError, Notes, Sentence
from .source import Source, open_source, split_at_blanks
from .texts import read_records

FORMATS = (
    "kaggle-tokens",
    "kaggle-sentences",
    "conll",
    "wikiner",
    "spacy",
    "spacy-jsonl",
    "prodigy",
    "doccano",
    "label-studio",
)
"""Names of the formats that can be read."""

_JSON_RECORDS = {
    "spacy-jsonl": spacy_to_record,
    "prodigy": prodigy_to_record,
    "doccano": doccano_to_record,
    "label-studio": label_studio_to_record,
}
_HEAD = 1 << 16


@dataclass(frozen=True)
class DataFile:
    """One input file whose format is known.

    source (Source): The file.
    format (str): One of `FORMATS`.
    read (Callable): Gives the sentences anew at each call.
    """

    source: Source
    format: str
    read: Callable[..., Iterator[Sentence]]

    @property
    def has_texts(self) -> bool:
        """Whether the file holds texts with spaces, and not sentences of words."""
        return self.format == "spacy" or self.format in _JSON_RECORDS

    def sentences(self, notes: Notes | None = None) -> Iterator[Sentence]:
        """Read the sentences.

        notes (Notes | None): Takes what was noticed.
        YIELDS (Sentence): The sentences in file order.
        RAISES (FormatError): At the first fault.
        """
        return self.read(notes=notes if notes is not None else Notes())


def open_data(
    location: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    encoding: str | None = None,
    word_column: int = 1,
    tag_column: int = -1,
    lang: str = "en",
) -> DataFile:
    """Open a file in any format that we read.

    location (str | Path): A file, plain, `.gz` or `.zip`; `file.zip:member` names one of
        several members.
    format (str | None): One of `FORMATS`; by default the content tells.
    encoding (str | None): Force an encoding; by default UTF-8, then cp1252.
    word_column (int): Column of the word in a column file: 1 is the first, -1 the last.
    tag_column (int): Column of the tag, counted alike.
    lang (str): Language whose tokenizer cuts texts with character offsets into tokens.
    RETURNS (DataFile): The file, ready to be read.
    RAISES (FileNotFoundError): If it is missing.
    RAISES (FormatError): If it is empty or in no format that we know.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"Format '{format}', expected one of {', '.join(FORMATS)}.")
    source = open_source(location, encoding=encoding)
    name = format or recognise_format(source)
    if name in _JSON_RECORDS:
        read_json = read_json_list if name == "label-studio" else read_json_lines
        return DataFile(source, name, partial(_read_json, source, read_json, name, lang))
    if name == "conll":
        layout = find_layout(source, word_column=word_column, tag_column=tag_column)
        return DataFile(source, name, partial(read_columns, source, layout=layout))
    readers = {
        "kaggle-tokens": read_token_rows,
        "kaggle-sentences": read_sentence_rows,
        "wikiner": read_piped,
        "spacy": read_docbin,
    }
    return DataFile(source, name, partial(readers[name], source))


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


def recognise_format(source: Source) -> str:
    """Tell the format of a file from its name's ending and its first lines.

    source (Source): The file.
    RETURNS (str): One of `FORMATS`; a text of no other format is taken for columns.
    RAISES (FormatError): If the file is empty, or CSV or JSON of an unknown kind.
    """
    if source.encoding == "binary":
        return "spacy"
    with source.open_text() as file:
        head = file.read(_HEAD).lstrip()
    if not head:
        raise FormatError(source.name, "an empty file, expected sentences. Fetch it again.")
    first_line = head.partition("\n")[0]
    if re.match(r"\{\s*\"|\[\s*(\{|\"|\[|\])", head):
        return _recognise_json(source, head)
    if has_columns(first_line, ("id", "word", "tag")):
        return "kaggle-tokens"
    if has_columns(first_line, ("text", "tags")):
        return "kaggle-sentences"
    if source.suffix == ".csv":
        return "kaggle-tokens"  # whose reader says which columns are missing
    word, pipe, tag = split_at_blanks(first_line)[0].rpartition("|")
    return "wikiner" if word and pipe and is_tag(tag) else "conll"


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
