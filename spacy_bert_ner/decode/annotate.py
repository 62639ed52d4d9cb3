"""Entities and their probabilities → `doc.ents` or `doc.spans`, and `ent._.score`."""

import warnings
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from spacy import attrs
from spacy.tokens import Doc, SpanGroup
from spacy.tokens import Span as DocSpan

from .entities import ScoredSpan


def register_extensions() -> None:
    """Register `doc._.ent_scores` and `ent._.score`, unless they are there.

    Making or loading a `bert_ner` does it. In a program that only reads stored
    docs, call it before asking for scores.
    """
    if not Doc.has_extension("ent_scores"):
        Doc.set_extension("ent_scores", default=None)
    if not DocSpan.has_extension("score"):
        DocSpan.set_extension("score", getter=get_score)
    elif DocSpan.get_extension("score")[2] is not get_score:
        warnings.warn(
            "Another extension holds the name `span._.score`, and is kept. Read the scores of "
            "entities from `doc._.ent_scores`, or remove it before loading the pipeline.",
            stacklevel=2,
        )


def get_score(span: DocSpan) -> float | None:
    """Give the probability of an entity that a `bert_ner` has found.

    Where a component of `doc.ents` and one with a `spans_key` have found the same
    span with the same label, it is that of `doc.ents`; a group's own stand in its
    `attrs["scores"]`.

    span (Span): The entity, or any span.
    RETURNS (float | None): From 0 to 1: how likely exactly this entity is, among
        all valid readings of the doc. `None` for a span that no `bert_ner` found.
    """
    rows = span.doc._.ent_scores or []
    key = [span.start_char, span.end_char, span.label_]
    at = bisect_left(rows, key, key=read_key)
    return rows[at][3] if at < len(rows) and read_key(rows[at]) == key else None


def read_key(row: Sequence) -> list:
    """Give what a row of `doc._.ent_scores` stands for: characters and label."""
    return list(row[:3])


def write_scores(doc: Doc, spans: Sequence[ScoredSpan], spans_key: str | None = None) -> None:
    """Write the scores of entities to `doc._.ent_scores`, beside those of other places.

    The rows are plain data, so that they survive every way to store a doc: first
    character, character after the last, label, probability, and the name of the
    span group, "" for `doc.ents`; in order of the first three and the last. Of the
    rows for the same place, those of entities that stand there no more are dropped.

    doc (Doc): The doc, with its entities written.
    spans (Sequence[ScoredSpan]): Its new entities.
    spans_key (str | None): Where they stand: in this span group, or in `doc.ents`.
    """
    place = spans_key or ""
    old = doc._.ent_scores or []
    # A group is written anew; in `doc.ents`, what stood there before is kept.
    kept = doc.ents if old and not place else ()
    standing = {(ent.start_char, ent.end_char, ent.label_) for ent in kept}
    rows = {
        (*row[:3], row[4]): row[3] for row in old if row[4] != place or tuple(row[:3]) in standing
    }
    for start, end, label, score in spans:
        rows[doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label, place] = score
    doc._.ent_scores = [[*key[:3], rows[key], key[3]] for key in sorted(rows)]


def hide_found(doc: Doc) -> Doc:
    """Give a doc as it was before a `bert_ner` found the entities of `doc.ents`.

    doc (Doc): The doc, which stays as it is.
    RETURNS (Doc): A copy without the entities that have a score; the doc itself if
        it has none of them.
    """
    found = {tuple(row[:3]) for row in doc._.ent_scores or [] if not row[4]}
    if not found:
        return doc
    others = [e for e in doc.ents if (e.start_char, e.end_char, e.label_) not in found]
    copied = doc.copy()
    copied.set_ents([DocSpan(copied, e.start, e.end, label=e.label) for e in others])
    return copied


def write_ents(doc: Doc, spans: Sequence[ScoredSpan]) -> None:
    """Write entities to `doc.ents`; those that stand there already are kept.

    doc (Doc): The doc. What nobody has tagged is outside afterwards.
    spans (Sequence[ScoredSpan]): They do not touch the entities of the doc.
    """
    ents = [DocSpan(doc, start, end, label=label) for start, end, label, _ in spans]
    if not doc.has_annotation("ENT_IOB"):
        doc.set_ents(ents, default="outside")
        return
    doc.set_ents(ents, default="unmodified")
    missing = np.flatnonzero(doc.to_array(attrs.ENT_IOB) == 0).tolist()
    doc.set_ents([], outside=[doc[i : i + 1] for i in missing], default="unmodified")


def write_spans(doc: Doc, spans: Sequence[ScoredSpan], spans_key: str) -> None:
    """Write entities to a span group, in place of what it held.

    Their probabilities stand in its `attrs["scores"]`, as spaCy's `spancat` does.

    doc (Doc): The doc.
    spans (Sequence[ScoredSpan]): Its entities.
    spans_key (str): Name of the group.
    """
    ents = [DocSpan(doc, start, end, label=label) for start, end, label, _ in spans]
    scores = np.asarray([span.score for span in spans], dtype=np.float64)
    doc.spans[spans_key] = SpanGroup(doc, name=spans_key, attrs={"scores": scores}, spans=ents)
