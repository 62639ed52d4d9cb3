"""Annotation tools' JSON, with character offsets → records of one form."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .fields import CharSpan, Fields
from .sentence import DocData, Notes


class AnnotatedText(NamedTuple):
    """One text with its spans, as a tool exported it.

    text (str): The text.
    spans (list[CharSpan]): Annotated spans in any order.
    tokens (list[tuple[int, int]] | None): Borders of the tool's own tokens.
    starts (list[int] | None): Characters at which sentences start, if somebody marked them.
    """

    text: str
    spans: list[CharSpan]
    tokens: list[tuple[int, int]] | None = None
    starts: list[int] | None = None


def prodigy_to_record(task: Fields, notes: Notes) -> AnnotatedText | None:
    """Read a Prodigy task: `text`, `spans`, `tokens`; rejected ones are left out."""
    answer = task.get("answer")
    if answer not in (None, "accept"):
        notes.add(
            "not-accepted",
            "records that the annotator rejected or ignored, left out",
            f"{task.place} {answer}",
        )
        return None
    spans = [task.inner(item).span() for item in task.items("spans")]
    return AnnotatedText(task.text("text"), spans, _read_tokens(task))


def doccano_to_record(task: Fields, notes: Notes) -> AnnotatedText | None:
    """Read a Doccano line: `text` with `label` triples, or with `entities` objects."""
    keys = ("label", "labels", "entities")
    key = next((key for key in keys if task.get(key) is not None), "label")
    items = [task.inner(item) for item in task.items(key)]
    spans = [
        item.span("start_offset", "end_offset")
        if isinstance(item.value, Mapping)
        else item.triple()
        for item in items
    ]
    return AnnotatedText(task.text("text"), spans)


def spacy_to_record(task: Fields, notes: Notes) -> AnnotatedText | None:
    """Read a line of `Doc.to_json`, or spaCy's `[text, {"entities": [...]}]`."""
    value = task.value
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], Mapping):
        task = task.inner({**value[1], "text": value[0]})
    spans = [task.inner(item).triple() for item in task.items("entities")]
    spans += [task.inner(item).span() for item in task.items("ents")]
    sents = None
    if task.get("sents") is not None:
        sents = [task.inner(item).borders()[0] for item in task.items("sents")]
    return AnnotatedText(task.text("text"), spans, _read_tokens(task), sents)


def doc_to_spacy(doc: DocData) -> dict[str, Any]:
    """Write a Doc as `Doc.to_json` does, without what we do not know.

    doc (DocData): The Doc.
    RETURNS (dict): Its text, entities, tokens and, if they are marked, sentences.
    """
    starts, at = [], 0
    for word, space in zip(doc.words, doc.spaces, strict=True):
        starts.append(at)
        at += len(word) + space
    ends = [start + len(word) for start, word in zip(starts, doc.words, strict=True)]
    value: dict[str, Any] = {
        "text": doc.text,
        "ents": [{"start": starts[a], "end": ends[b - 1], "label": x} for a, b, x in doc.spans],
        "tokens": [
            {"id": i, "start": a, "end": b}
            for i, (a, b) in enumerate(zip(starts, ends, strict=True))
        ],
    }
    if doc.starts:
        lasts = [start - 1 for start in doc.starts[1:]] + [len(doc.words) - 1]
        value["sents"] = [
            {"start": starts[a], "end": ends[b]} for a, b in zip(doc.starts, lasts, strict=True)
        ]
    return value


def label_studio_to_record(task: Fields, notes: Notes) -> AnnotatedText | None:
    """Read a Label Studio task, JSON or JSON-MIN: the first annotation that counts.

    Its offsets count UTF-16 units, as browsers do; the text that it gives for each span
    tells whether they have to be converted.
    """
    if task.get("data") is None:
        text = task.text("text")
        done = [] if task.get("label") is None else [task.items("label")]
    else:
        text = _find_studio_text(task)
        key = "completions" if task.get("annotations") is None else "annotations"
        drafts = [task.inner(item) for item in task.items(key)]
        done = [
            [task.inner(item).get("value") for item in draft.items("result")]
            for draft in drafts
            if not draft.get("was_cancelled")
        ]
    if not done:
        notes.add("not-annotated", "records that nobody annotated, left out", task.place)
        return None
    if len(done) > 1:
        notes.add("several-annotations", "records annotated twice: the first counts", task.place)
    values = [task.inner(item) for item in done[0] if isinstance(item, Mapping)]
    spans = [_studio_span(value, text) for value in values if value.get("labels")]
    return AnnotatedText(text, spans)


def _read_tokens(task: Fields) -> list[tuple[int, int]] | None:
    if task.get("tokens") is None:
        return None
    return [task.inner(item).borders() for item in task.items("tokens")]


def _find_studio_text(task: Fields) -> str:
    data = task.inner(task.get("data"))
    if data.get("text") is not None:
        return data.text("text")
    texts = [key for key, value in data.value.items() if isinstance(value, str)]
    if len(texts) != 1:
        raise task.error(
            f"data fields {', '.join(map(str, data.value))}, expected one text, or one named "
            "'text'. Rename it."
        )
    return data.text(texts[0])


def _studio_span(value: Fields, text: str) -> CharSpan:
    labels = value.items("labels")
    start, end, label = value.inner({**value.value, "label": labels[0]}).span()
    found = value.get("text")
    if isinstance(found, str) and text[start:end] != found:
        units = text.encode("utf-16-le")
        if units[start * 2 : end * 2] != found.encode("utf-16-le", "surrogatepass"):
            raise value.error(
                f"offsets {start}:{end} hold '{text[start:end]}', expected '{found}'. "
                "The text was changed after annotation: export it anew."
            )
        start = len(units[: start * 2].decode("utf-16-le"))
        end = start + len(found)
    return start, end, label
