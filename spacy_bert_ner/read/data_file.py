"""A file as the user names it → its format recognised → its sentences, as often as needed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..schemes import is_tag
from .bytes.source import Source, open_source
from .columns.headers import find_header, first_row, has_columns, split_header
from .columns.piped import PIPED_FORMATS
from .columns.presets import PRESET_FORMATS
from .columns.reader import open_columns
from .columns.sentence_rows import read_sentence_rows
from .columns.tag_forms import BARE, USUAL, number_forms
from .docbin import read_docbin
from .file_format import FileFormat, Opened
from .records.brat import BRAT_FORMATS
from .records.record_formats import JSON_FORMATS
from .records.tables import TABLE_FORMATS
from .sentence import FormatError, Notes, Sentence
from .settings import ReadSettings

_HEAD = 1 << 16


@dataclass(frozen=True)
class DataFile:
    """One input file whose format is known.

    source (Source): The file.
    format (Format): Its format.
    opened (Opened): Its reader.
    """

    source: Source
    kind: FileFormat
    opened: Opened

    @property
    def format(self) -> str:
        """RETURNS (str): The name of the format, one of `FORMATS`."""
        return self.kind.name

    @property
    def how(self) -> str:
        """RETURNS (str): How the file is read and why, where this is not obvious."""
        return "; ".join(filter(None, (self.source.how, self.opened.how)))

    @property
    def has_texts(self) -> bool:
        """RETURNS (bool): Whether the file holds texts, and not sentences of words."""
        return self.opened.has_texts

    def sentences(self, notes: Notes | None = None) -> Iterator[Sentence]:
        """Read the sentences.

        notes (Notes | None): Takes what was noticed.
        YIELDS (Sentence): The sentences in file order.
        RAISES (FormatError): After the last sentence, for all faults at once; at once for
            what makes the rest unreadable.
        """
        return self.opened.read(notes=notes if notes is not None else Notes())


def open_data(
    location: str | Path, *, settings: ReadSettings | None = None, **values: Any
) -> DataFile:
    """Open a file in any format that we read.

    location (str | Path): A file, plain or packed; `file.zip:member` names one of several
        members.
    settings (ReadSettings | None): How to read it.
    **values (Any): Or the fields of `ReadSettings`.
    RETURNS (DataFile): The file, ready to be read.
    RAISES (FileNotFoundError): If it is missing.
    RAISES (FormatError): If it is empty or in no format that we know.
    """
    settings = settings or ReadSettings(**values)
    if settings.format is not None and settings.format not in FORMATS:
        raise ValueError(f"Format '{settings.format}', expected one of {', '.join(FORMATS)}.")
    source = open_source(location, encoding=settings.encoding, lang=settings.lang)
    kind = _BY_NAME[settings.format or recognise_format(source)]
    return DataFile(source, kind, kind.open(source, settings))


def recognise_format(source: Source) -> str:
    """Find the format of a file: the first of the table that recognises it.

    source (Source): The file.
    RETURNS (str): One of `FORMATS`; a text of no other format is taken for columns.
    RAISES (FormatError): If the file is empty, or JSON of an unknown kind.
    """
    head = ""
    if source.encoding not in ("binary", "folder"):
        with source.open_text() as file:
            head = file.read(_HEAD).lstrip()
        if not head:
            raise FormatError(source.name, "an empty file, expected sentences. Fetch it again.")
    for form, message in _REFUSED:
        if re.match(form, head) and not is_tag(head.partition("\n")[0].split()[-1]):
            raise FormatError(source.name, message, line=1)
    for kind in _TABLE:
        if kind.recognise(source, head):
            return kind.name
    if source.encoding == "folder":
        files = [str(path) for path in sorted(source.path.iterdir()) if path.is_file()][:3]
        raise FormatError(
            source.name,
            "a folder without files of brat (.ann), Parquet or Arrow. Give "
            + (f"its files, such as {' '.join(files)}." if files else "a file."),
        )
    if source.first_bytes.startswith((b"PK", b"\xd0\xcf")):
        what = "an Excel workbook or another Office file. Save the sheet as CSV UTF-8 first."
        raise FormatError(source.name, f"{what} If it is a zip of data, end its name in .zip.")
    raise FormatError(source.name, "a binary file, expected text or a format that we read.")


def _is_docbin(source: Source, head: str) -> bool:
    return source.encoding == "binary" and source.suffix == ".spacy"


def _is_token_rows(source: Source, head: str) -> bool:
    header, row = [*head.split("\n", 2), ""][:2]
    if has_columns(header, ("id", "word", "tag")):
        return True
    # of a .csv file whose first line holds no tag, the reader says which columns are missing
    cells = header.replace(";", ",").replace("\t", ",").strip().split(",")
    return source.suffix == ".csv" and row != "" and not any(map(is_tag, cells))


def _is_sentence_rows(source: Source, head: str) -> bool:
    header, row = [*head.split("\n", 2), ""][:2]
    if not has_columns(header, ("text", "tags")):
        return False
    # `words` and `labels` may be those of one word a row
    return not has_columns(header, ("word", "tag")) or bool(_SENTENCE_ROW.search(row))


def _is_text(source: Source, head: str) -> bool:
    return head != ""


def _open_docbin(source: Source, settings: ReadSettings) -> Opened:
    return Opened(partial(read_docbin, source), has_texts=True)


def _open_sentence_rows(source: Source, settings: ReadSettings) -> Opened:
    forms = BARE if settings.bare_labels else USUAL
    if settings.tag_names:
        forms = number_forms(settings.tag_names)
    return Opened(partial(read_sentence_rows, source, forms=forms, skip_bad=settings.skip_bad))


def _open_token_rows(source: Source, settings: ReadSettings) -> Opened:
    if find_header(source, settings) is None:
        _, line = first_row(source)
        cells = split_header(line, ",")
        found = ", ".join(f"'{cell[:40]}'" for cell in cells[:20])
        if any("start" in cell.lower() for cell in cells):
            raise FormatError(
                source.name,
                f"columns {found}: a table with character offsets, which is not read. Join the "
                "rows of each text, and write JSON lines with `text` and `entities` ([start, end, "
                "label]).",
                line=1,
            )
        raise FormatError(
            source.name,
            f"columns {found}, expected a header with 'sentence #', 'word', 'tag', each once, in "
            "any order. Rename the columns, or set `columns` to id=NAME,word=NAME,tag=NAME.",
            line=1,
        )
    return open_columns(source, settings)


_SENTENCE_ROW = re.compile(r"(^|[,;\t])\"?\[|[BIO](-\S+)? [BIO]\b")

_REFUSED = (
    (
        r"\"?sep=",
        "Excel's note of what parts the cells, expected the header. Remove this line.",
    ),
    (
        r"\d+\|[ta]\|",
        "PubTator's lines of title, abstract and offsets, which are not read. Write JSON lines "
        "with `text` and `entities` ([start, end, label]).",
    ),
    (
        r"((#|import |from )[^\n]*\n|\s)*[A-Za-z_]\w* = \[\s*(#[^\n]*\n\s*)*[(\[{]",
        "a Python file, which is not read. Write its list, such as TRAIN_DATA, as JSON lines with "
        "`text` and `entities` ([start, end, label]): add `import json` and `for text, found in "
        "TRAIN_DATA: print(json.dumps({'text': text, **found}))`, and save what it prints.",
    ),
    (
        r"<(\?xml|!DOCTYPE|\w+(\s+[\w:]+=[\"'][^>\n]*)?>)",
        "XML or HTML, which is not read. Export CoNLL or JSON lines with `text` and `entities` "
        "([start, end, label]).",
    ),
)

# the first format that recognises a file reads it
_TABLE = (
    FileFormat("spacy", _is_docbin, _open_docbin),
    *TABLE_FORMATS,
    *BRAT_FORMATS,
    *JSON_FORMATS,
    *PRESET_FORMATS,
    FileFormat("kaggle-sentences", _is_sentence_rows, _open_sentence_rows),
    FileFormat("kaggle-tokens", _is_token_rows, _open_token_rows),
    *PIPED_FORMATS,
    FileFormat("conll", _is_text, open_columns),
)
_BY_NAME = {kind.name: kind for kind in _TABLE}

FORMATS = tuple(_BY_NAME)
"""Names of the formats that can be read."""
