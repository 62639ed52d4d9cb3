"""Records of annotation tools with character offsets → texts with their spans."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

from ..sentence import Notes
from .countings import UTF16
from .fields import CharSpan, Fields
from .offsets import find_span, find_surface, list_spans, pair_to_dict, read_span

TEXT_KEYS = ("text", "content", "full_text", "sentence", "document")
"""Keys of a record's text; the first one found is used."""

ENTITY_KEYS = (
    "label",
    "labels",
    "entities",
    "annotations",
    "ents",
    "annotation",
    "entity_list",
)
"""Keys of a record's spans; the first one found is used."""


class AnnotatedText(NamedTuple):
    """One text with the spans of one annotator.

    task (Fields): The record, for its place.
    text (str): The text.
    spans (list[CharSpan]): Annotated spans in any order.
    tokens (list[tuple[int, int]] | None): Borders of the tool's own tokens.
    starts (list[int] | None): Where sentences start, in characters, if they are marked.
    groups (Mapping[str, list[CharSpan]]): Other spans by the name of their group.
    key (Hashable): Equal for all annotations of one text; None for the only annotation.
    annotator (str): The annotator, if the tool names one.
    is_gold (bool): Whether this annotation is marked as the right one.
    is_binary (bool): Whether only the spans were judged, so that other words are unknown.
    is_checked (bool): Whether the offsets are known to count characters.
    is_words (bool): Whether the text was made from words, with a blank after each.
    """

    task: Fields
    text: str
    spans: list[CharSpan]
    tokens: list[tuple[int, int]] | None = None
    starts: list[int] | None = None
    groups: Mapping[str, list[CharSpan]] = {}
    key: Hashable = None
    annotator: str = ""
    is_gold: bool = False
    is_binary: bool = False
    is_checked: bool = False
    is_words: bool = False


def read_prodigy(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a Prodigy task: `text`, `spans`, `tokens`; rejected tasks are left out.

    A binary answer, as in `ner.teach`, is about its spans only.
    """
    answer = task.get("answer")
    if answer not in (None, "accept"):
        notes.add(
            "not-accepted",
            "records that the annotator rejected or ignored, left out",
            f"{task.place} {answer}",
        )
        return
    is_binary = task.get("_is_binary")
    if is_binary is None:
        is_binary = task.get("_view_id") == "ner"
    annotator = str(task.get("_annotator_id") or task.get("_session_id") or "")
    text = task.text("text")
    yield AnnotatedText(
        task,
        text,
        [task.inner(item).span() for item in task.items("spans")],
        _read_tokens(task),
        _read_starts(task),
        key=text if annotator or is_binary else None,
        annotator=annotator,
        is_binary=bool(is_binary),
        is_checked=True,
    )


def read_spacy_json(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read what `Doc.to_json` writes, or spaCy's `[text, {"entities": [...]}]`."""
    value = task.value
    if value is None:
        note_unannotated(task, notes)
        return
    if isinstance(value, list) and len(value) == 2:
        facts = value[1] if isinstance(value[1], Mapping) else {"entities": value[1]}
        task = task.inner({**facts, "text": value[0]})
    text = task.text("text")
    spans = [task.inner(item).triple(text) for item in task.items("entities")]
    spans += [task.inner(item).span() for item in task.items("ents")]
    tokens = _read_tokens(task)
    groups = task.get("spans") if isinstance(task.get("spans"), Mapping) else {}
    yield AnnotatedText(
        task,
        text,
        spans,
        tokens,
        _read_starts(task),
        {
            str(name): [task.inner(item).span() for item in task.inner(groups).items(name)]
            for name in groups
        },
        is_checked=tokens is not None,
    )


def read_entities(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a text with spans as Doccano and most scripts write them.

    A span is `[start, end, label]` or an object. The object may use any common keys, and a
    length instead of an end. If it has a text, the offsets are checked with it.
    """
    text = read_text(task)
    task = task.inner({key: list_spans(value) for key, value in task.mapping().items()})
    key = next((key for key in ENTITY_KEYS if isinstance(task.get(key), list)), "label")
    spans = [read_span(task.inner(item), text) for item in task.items(key)]
    is_checked = all(
        isinstance(item, Mapping) and find_surface(item) is not None for item in task.items(key)
    )
    annotator = str(task.get("annotator") or task.get("user") or "")
    if task.get("offset_unit") == "utf-16":
        spans, is_checked = [UTF16.to_char_span(text, span) for span in spans], True
    yield AnnotatedText(
        task,
        text,
        spans,
        key=text if annotator else None,
        annotator=annotator,
        is_checked=is_checked,
    )


def read_cluener(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a CLUENER record: `label` → label → the span's text → `[first, last]` pairs."""
    text, spans = task.text("text"), []
    for label, mentions in (task.get("label") or {}).items():
        for found in task.inner(mentions).mapping():
            for pair in task.inner(mentions).items(found):
                first, last = task.inner(pair_to_dict(pair)).borders()
                spans.append((*find_span(task, text, first, last, found, inclusive=True), label))
    yield AnnotatedText(task, text, spans, is_checked=True)


def read_dataturks(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a Dataturks record: `content` and `annotation`; an end is the last character."""
    text, spans = task.text("content"), []
    for item in task.items("annotation"):
        region = task.inner(item)
        labels = region.get("label")
        label = region.labels(labels if isinstance(labels, list) else [labels], notes)
        if not label:
            continue
        for point in map(task.inner, region.items("points")):
            first, last = point.borders()
            found = point.get("text")
            spans.append((*find_span(task, text, first, last, found, inclusive=True), label))
    yield AnnotatedText(task, text, spans, is_checked=True)


def read_text(task: Fields) -> str:
    """RETURNS (str): A record's text, under any common key."""
    return task.text(next((key for key in TEXT_KEYS if isinstance(task.get(key), str)), "text"))


def note_unannotated(task: Fields, notes: Notes) -> None:
    """Count a record that nobody annotated."""
    notes.add("not-annotated", "records that nobody annotated, left out", task.place)


def _read_tokens(task: Fields) -> list[tuple[int, int]] | None:
    if task.get("tokens") is None:
        return None
    tokens = task.items("tokens")
    if all(map(_is_token, tokens)):
        return [(token["start"], token["end"]) for token in tokens]
    return [task.inner(item).borders() for item in tokens]  # raises an error for the wrong one


def _is_token(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    start, end = item.get("start"), item.get("end")
    return type(start) is int and type(end) is int and 0 <= start <= end


def _read_starts(task: Fields) -> list[int] | None:
    if task.get("sents") is None:
        return None
    return [task.inner(item).borders()[0] for item in task.items("sents")]
