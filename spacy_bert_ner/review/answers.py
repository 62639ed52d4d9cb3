"""Answers to proposals, as a tool or a spreadsheet gives them back → what each place holds."""

import csv
import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..read.bytes.source import Source, open_source
from ..read.records.fields import CharSpan, Fields
from ..read.records.json_values import read_json_records
from ..read.records.label_studio import read_label_studio
from ..read.sentence import FormatError, Notes
from .tasks import BEFORE_KEY, ID_KEY

_NO = ("reject", "ignore", "no")
_YES = ("accept", "yes")


class Answer(NamedTuple):
    """What somebody says of a proposal.

    id (str): Names the place; see `name_place`.
    spans (Tuple[Tuple[int, int, str], ...] | None): The right entities, in characters of the
        sentence; `None` if the gold is right.
    is_whole (bool): Whether these are the entities of the whole sentence, and not only
        those of the place.
    before (Tuple[Tuple[int, int, str], ...] | None): The gold of the whole sentence when the
        place was found; only what differs from it is changed. `None` if it is unknown.
    label (str | None): The label that somebody typed for the place, "O" for none; the spans
        are then those that were proposed. `None` if the spans say it all.
    """

    id: str
    spans: tuple[CharSpan, ...] | None
    is_whole: bool = True
    label: str | None = None
    before: tuple[CharSpan, ...] | None = None


def read_answers(path: Path, notes: Notes | None = None) -> list[Answer]:
    """Read answers from a CSV table, from our JSON lines, Prodigy's, or Label Studio's JSON.

    A place without an answer is left out.

    path (Path): The file.
    notes (Notes | None): Takes what was left out.
    RETURNS (List[Answer]): The answers.
    RAISES (FormatError): If a record has no id, or cannot be read.
    """
    notes = notes or Notes()
    with path.open("rb") as file:  # spreadsheets save "Unicode text" as UTF-16
        is_wide = file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)
    source = open_source(path, encoding="utf-16" if is_wide else None)
    if source.suffix in (".csv", ".tsv", ".txt"):
        return list(_read_rows(source))
    return [answer for task in read_json_records(source) for answer in _read(task, notes)]


def _read(task: Fields, notes: Notes) -> Iterator[Answer]:
    value = task.mapping()
    if "proposed" in value and "id" in value and ID_KEY not in value:
        yield from _judge(task, str(value["id"]), "proposed", is_whole=False)
        return
    is_task = isinstance(value.get("data"), dict) or "annotations" in value
    data = task.inner(value.get("data")) if is_task else task  # else JSON-MIN, or Prodigy's
    name, before = _find_id(task, data), _read_spans(data, data.get(BEFORE_KEY))
    if "spans" in value and not is_task:
        for answer in _judge(task, name, "spans", is_whole=True):
            yield answer._replace(before=before)
        return
    for found in read_label_studio(task, notes):
        yield Answer(name, tuple(sorted(found.spans)), before=before)


def _read_spans(place: Fields, value: Any) -> tuple[CharSpan, ...] | None:
    if value is None:
        return None
    try:
        return tuple((int(start), int(end), str(label)) for start, end, label in value)
    except (ValueError, TypeError) as err:
        raise place.error(
            f"{value!r:.60} as '{BEFORE_KEY}', expected [[start, end, label], …]. Export the "
            "answers with the data of the tasks."
        ) from err


def _judge(task: Fields, name: str, key: str, *, is_whole: bool) -> Iterator[Answer]:
    answer = task.get("answer")
    if answer in _YES:
        spans = tuple(sorted(task.inner(item).span() for item in task.items(key)))
        yield Answer(name, spans, is_whole)
    elif answer in _NO:
        yield Answer(name, None, is_whole)
    elif answer not in (None, ""):
        raise task.error(f"the answer {answer!r:.60}, expected accept or reject. Correct it.")


def _find_id(task: Fields, place: Fields) -> str:
    name = place.get(ID_KEY)
    if not isinstance(name, str):
        raise task.error(
            f"no '{ID_KEY}', expected that of a task that `find-label-errors` wrote. Export the "
            "answers with the data of the tasks."
        )
    return name


def _read_rows(source: Source) -> Iterator[Answer]:
    # an answer is accept, reject, or the label that the place should have
    with source.open_text(newline="") as file:
        head = file.readline()
        file.seek(0)
        rows = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
        missing = {ID_KEY, "answer", "spans"} - set(rows.fieldnames or ())
        if missing:
            raise FormatError(
                source.name,
                f"no column {', '.join(sorted(missing))}, expected the table that "
                "`find-label-errors` wrote. Keep its columns.",
                line=1,
            )
        for number, row in enumerate(rows, start=2):
            answer, name = (row["answer"] or "").strip(), (row[ID_KEY] or "").strip("' ")
            if not answer:
                continue
            try:
                spans = [(int(a), int(b), str(label)) for a, b, label in json.loads(row["spans"])]
            except (ValueError, TypeError) as err:
                raise FormatError(
                    source.name,
                    f"{row['spans']!r:.60} as 'spans', expected [[start, end, label], …]. Restore "
                    "the column.",
                    line=number,
                ) from err
            if answer.lower() in _NO:
                yield Answer(name, None, is_whole=False)
            elif answer.lower() in _YES:
                yield Answer(name, tuple(spans), is_whole=False)
            else:
                yield Answer(name, tuple(spans), is_whole=False, label=answer)
