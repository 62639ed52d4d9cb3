"""Label Studio's tasks, JSON or JSON-MIN → the text with the spans of each annotation."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..sentence import Notes
from .fields import CharSpan, Fields
from .offsets import find_span
from .text_records import AnnotatedText, note_unannotated, read_text


def read_label_studio(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read the annotations of one task; cancelled ones are ignored.

    Label Studio's offsets count UTF-16 units, as browsers do. The text that it gives for
    each span shows whether the offsets must be converted.

    task (Fields): The task.
    notes (Notes): Takes what was noticed.
    YIELDS (AnnotatedText): One for each annotation.
    RAISES (FormatError): If the task has no text, or its offsets do not fit the text.
    """
    if task.get("data") is None:
        text = read_text(task)
        regions = [task.inner(item) for key in find_regions(task.value) for item in task.items(key)]
        # no region is left if the annotator deleted all of them
        if not regions and task.get("label") is None and task.get("annotation_id") is None:
            note_unannotated(task, notes)
            return
        annotator = _name(task.get("annotator"))
        yield AnnotatedText(
            task,
            text,
            [span for region in regions for span in _read_region(region, text, notes)],
            key=text if annotator else None,
            annotator=annotator,
            is_checked=_have_texts(regions),
        )
        return
    text = _find_text(task)
    key = "completions" if task.get("annotations") is None else "annotations"
    drafts = [task.inner(item) for item in task.items(key)]
    drafts = [draft for draft in drafts if not draft.get("was_cancelled")]
    if not drafts and task.get("predictions"):
        what = "records with predictions that nobody accepted, left out"
        notes.add("only-predictions", what, task.place)
    elif not drafts:
        note_unannotated(task, notes)
    for draft in drafts:
        values = [task.inner(item).get("value") for item in draft.items("result")]
        regions = [task.inner(value) for value in values if isinstance(value, Mapping)]
        yield AnnotatedText(
            task,
            text,
            [span for region in regions for span in _read_region(region, text, notes)],
            key=task.place,
            annotator=_name(draft.get("completed_by")),
            is_gold=draft.get("ground_truth") is True,
            is_checked=_have_texts(regions),
        )


def find_regions(record: Mapping[str, Any]) -> list[str]:
    """RETURNS (list[str]): Keys of the regions in JSON-MIN: the names of the project's tags."""
    return [
        key
        for key, value in record.items()
        if isinstance(value, list) and value and isinstance(value[0], Mapping)
        if any(name.endswith("labels") for name in value[0])
    ]


def _have_texts(regions: list[Fields]) -> bool:
    # regions of imported predictions may lack their texts: how their offsets count is found out
    return any(isinstance(region.get("text"), str) for region in regions)


def _read_region(value: Fields, text: str, notes: Notes) -> list[CharSpan]:
    # one region; the key of its labels is the name of the tag that made it
    kinds = [key for key in value.value if key.endswith("labels") and value.get(key)]
    if not kinds:
        return []
    if "start" not in value.value and "globalOffsets" not in value.value:
        notes.add(
            "other-regions",
            "regions that do not mark a span of text, left out",
            f"{value.place} {kinds[0]}",
        )
        return []
    label = value.labels(value.items(kinds[0]), notes)
    if not label:
        return []
    start, end = _find_offsets(value)
    found = value.get("text")
    return [(*find_span(value, text, start, end, found, units_first=True), label)]


def _find_offsets(value: Fields) -> tuple[int, int]:
    if isinstance(value.get("start"), str):  # a path in an HTML text
        if isinstance(value.get("globalOffsets"), Mapping):
            return value.inner(value.get("globalOffsets")).borders()
        return value.borders("startOffset", "endOffset")
    return value.borders()


def _find_text(task: Fields) -> str:
    data = task.inner(task.get("data"))
    if data.mapping().get("text") is not None:
        return data.text("text")
    texts = [key for key, value in data.value.items() if isinstance(value, str)]
    if len(texts) != 1:
        raise task.error(
            f"data fields {', '.join(map(str, data.value))}, expected one text, or one named "
            "'text'. Rename the field of the text."
        )
    return data.text(texts[0])


def _name(annotator: object) -> str:
    if isinstance(annotator, Mapping):
        annotator = annotator.get("email") or annotator.get("username") or annotator.get("id")
    return "" if annotator is None else str(annotator)
