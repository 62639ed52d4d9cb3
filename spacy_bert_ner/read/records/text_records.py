"""Records of annotation tools, with character offsets → texts with their spans."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..sentence import Notes
from .fields import CharSpan, Fields
from .offsets import count_units, find_span

_STARTS = (
    "start_offset",
    "start",
    "begin",
    "start_char",
    "start_idx",
    "startOffset",
    "beginOffset",
)
_ENDS = ("end_offset", "end", "end_char", "end_idx", "endOffset", "stop")
_PAIRS = ("span", "offsets", "offset", "pos", "position", "indices")
_LABELS = ("label", "labels", "type", "entity_type", "tag", "category", "class", "entity_group",
           "entity", "name")  # fmt: skip
_SURFACES = ("text", "word", "value", "mention", "surface", "span", "entity", "name")
TEXT_KEYS = ("text", "content", "full_text", "sentence")
"""Keys of a record's text, in the order in which they are looked for."""

ENTITY_KEYS = ("label", "labels", "entities", "annotations", "ents")
"""Keys of a record's spans, in the order in which they are looked for."""


class AnnotatedText(NamedTuple):
    """One text with its spans, as one annotator left it.

    task (Fields): The record, for its place.
    text (str): The text.
    spans (list[CharSpan]): Annotated spans in any order.
    tokens (list[tuple[int, int]] | None): Borders of the tool's own tokens.
    starts (list[int] | None): Characters at which sentences start, if somebody marked them.
    groups (Mapping[str, list[CharSpan]]): Spans other than the entities, by name of their group.
    key (Hashable): The same for all annotations of one text; None if there is only this one.
    annotator (str): Who annotated it, if the tool says so.
    is_gold (bool): Whether this annotation was marked as the right one.
    is_binary (bool): Whether only the spans were judged: nothing is known of other words.
    is_checked (bool): Whether the offsets are known to count characters.
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


def read_prodigy(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a Prodigy task: `text`, `spans`, `tokens`; rejected ones are left out.

    A binary answer (of `ner.teach`) says something about its spans only.
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
    spans = [task.inner(item).triple() for item in task.items("entities")]
    spans += [task.inner(item).span() for item in task.items("ents")]
    tokens = _read_tokens(task)
    groups = task.get("spans") if isinstance(task.get("spans"), Mapping) else {}
    yield AnnotatedText(
        task,
        task.text("text"),
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

    A span is `[start, end, label]` or an object; the object may name its parts in any
    usual way, and its own text, if given, is compared.
    """
    text = read_text(task)
    key = next((key for key in ENTITY_KEYS if task.get(key) is not None), "label")
    spans = [read_span(task.inner(item), text) for item in task.items(key)]
    is_checked = all(
        isinstance(item, Mapping) and _find_surface(item) is not None for item in task.items(key)
    )
    annotator = str(task.get("annotator") or task.get("user") or "")
    if task.get("offset_unit") == "utf-16":
        spans, is_checked = [count_units(text, span) for span in spans], True
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
                first, last = task.inner(_pair_to_dict(pair)).borders()
                spans.append((*find_span(task, text, first, last, found, inclusive=True), label))
    yield AnnotatedText(task, text, spans, is_checked=True)


def read_dataturks(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a Dataturks record: `content`, and `annotation` with points whose ends are included."""
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
    """RETURNS (str): A record's text, under any usual key."""
    return task.text(next((key for key in TEXT_KEYS if task.get(key) is not None), "text"))


def read_span(item: Fields, text: str) -> CharSpan:
    """Read a span that is a list or an object of any usual form.

    item (Fields): The span.
    text (str): The record's text.
    RETURNS (CharSpan): Start, end (exclusive) and label, in characters.
    RAISES (FormatError): If the span has no label or no offsets.
    """
    if not isinstance(item.value, Mapping):
        return item.triple()
    value = item.value
    pair = next((value[key] for key in _PAIRS if isinstance(value.get(key), list)), None)
    if pair is not None:
        pair = pair[0] if len(pair) == 1 and isinstance(pair[0], list) else pair
        start, end = item.inner(_pair_to_dict(pair)).borders()
    else:
        start, end = item.borders(_find_key(value, _STARTS), _find_key(value, _ENDS))
    labels = [value[key] for key in _LABELS if value.get(key) is not None]
    labels = [x[0] if isinstance(x, list) and len(x) == 1 else x for x in labels]
    label = item.inner({"label": labels[0] if labels else None}).label()
    return (*find_span(item, text, start, end, _find_surface(value)), label)


def _find_key(value: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((key for key in keys if key in value), keys[1])


def _find_surface(value: Mapping[str, Any]) -> str | None:
    label = next((value[key] for key in _LABELS if value.get(key) is not None), None)
    texts = (value.get(key) for key in _SURFACES)
    return next((text for text in texts if isinstance(text, str) and text != label), None)


def _pair_to_dict(pair: Any) -> Any:
    if isinstance(pair, list) and len(pair) == 2:
        return {"start": pair[0], "end": pair[1]}
    return pair


def note_unannotated(task: Fields, notes: Notes) -> None:
    """Count a record that nobody annotated."""
    notes.add("not-annotated", "records that nobody annotated, left out", task.place)


def _read_tokens(task: Fields) -> list[tuple[int, int]] | None:
    if task.get("tokens") is None:
        return None
    tokens = task.items("tokens")
    if all(map(_is_token, tokens)):
        return [(token["start"], token["end"]) for token in tokens]
    return [task.inner(item).borders() for item in tokens]  # which says what is wrong


def _is_token(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    start, end = item.get("start"), item.get("end")
    return type(start) is int and type(end) is int and 0 <= start <= end


def _read_starts(task: Fields) -> list[int] | None:
    if task.get("sents") is None:
        return None
    return [task.inner(item).borders()[0] for item in task.items("sents")]
