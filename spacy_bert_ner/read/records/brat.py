"""An .ann file of brat next to its .txt, or a folder of them → records of text and spans."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..bytes.source import Source, open_source
from ..faults import Faults
from ..file_format import FileFormat, Opened
from ..sentence import FormatError, Notes
from ..settings import ReadSettings
from .fields import Fields
from .record_formats import open_records

_LINE = re.compile(r"[TREAMN*#]\d*\t")
_SPAN = re.compile(r"T\d+\t(\S+) (\d+) (\d+(?:;\d+ \d+)*)\t?([^\n]*)")


def _is_brat(source: Source, head: str) -> bool:
    if source.encoding == "folder":
        return bool(_list_files(source))
    return source.suffix == ".ann" and _LINE.match(head) is not None


def _open_brat(source: Source, settings: ReadSettings) -> Opened:
    read = partial(read_brat, encoding=settings.encoding, lang=settings.lang)
    return open_records("brat", read, source, settings)


def read_brat(
    source: Source,
    faults: Faults | None = None,
    notes: Notes | None = None,
    *,
    encoding: str | None = None,
    lang: str = "en",
) -> Iterator[Fields]:
    """Read the entities of .ann files; relations, events and attributes are ignored.

    source (Source): An .ann file, or a folder of them.
    faults (Faults | None): Collects broken lines of entities; None: the first one raises.
    notes (Notes | None): Counts the entities with a gap, which are lost.
    encoding (str | None): The encoding of the texts; by default, UTF-8 or a guess.
    lang (str): The language of the texts.
    YIELDS (Fields): One record for each text, with `text` and `entities`.
    RAISES (FormatError): If the .txt of an .ann file is missing or cannot be read.
    """
    is_folder = source.encoding == "folder"
    for number, path in enumerate(_list_files(source) if is_folder else [source.path], start=1):
        file = open_source(path, encoding=encoding, lang=lang) if is_folder else source
        text_path = path.with_suffix(".txt")
        if not text_path.is_file():
            raise FormatError(
                file.name,
                f"a file of brat without its text, expected {text_path.name} in the same folder. "
                "Put it there.",
            )
        with open_source(text_path, encoding=encoding, lang=lang).open_text(newline="") as stream:
            text = stream.read()
        record = Fields(file, number, {"text": text}, is_line=False)
        record.value["entities"] = _read_entities(file, record, faults, notes)
        yield record


def _list_files(source: Source) -> list[Path]:
    # of a folder and the folders in it; a folder of parts is no file of one part
    files = sorted(source.path.rglob("*.ann"))
    folders = {
        path.relative_to(source.path).parts[0] for path in files if path.parent != source.path
    }
    parts = [name for name in ("train", "dev", "test") if name in folders]
    if parts:
        raise FormatError(
            source.name,
            f"a folder with brat's files of {', '.join(parts)}, expected those of one part. Name "
            f"it: {source.path / parts[0]}, or with its part: train={source.path / parts[0]}.",
        )
    return files


def _read_entities(
    file: Source, record: Fields, faults: Faults | None, notes: Notes | None
) -> list[dict[str, object]]:
    entities = []
    with file.open_text() as stream:
        for number, line in enumerate(stream, start=1):
            if not line.startswith("T"):
                continue
            match = _SPAN.match(line)
            if match is None:
                error = FormatError(
                    file.name,
                    f"'{line.strip()[:60]}', expected T1, a tab, 'LABEL START END', a tab and the "
                    "text. Fix the line; the file may be cut.",
                    line=number,
                )
                if faults is None:
                    raise error
                faults.add("broken line", error)
            elif not _is_whole(match, str(record.value["text"])):
                if notes is not None:
                    text_of_note = "entities in several pieces with a gap between them, lost"
                    notes.add("split-span", text_of_note, f"{file.name}:{number} {match[4][:60]}")
            else:
                start, end = int(match[2]), int(match[3].rpartition(" ")[2])
                entities.append({"start": start, "end": end, "label": match[1], "text": match[4]})
    return entities


def _is_whole(match: re.Match[str], text: str) -> bool:
    # brat cuts an entity at line ends: between its pieces is only white space
    gaps = [piece.split(";") for piece in match[3].split() if ";" in piece]
    return all(text[int(end) : int(start)].isspace() for end, start in gaps)


BRAT_FORMATS = (FileFormat("brat", _is_brat, _open_brat),)
"""The format of brat's files."""
