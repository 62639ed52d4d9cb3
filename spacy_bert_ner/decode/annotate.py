"""Entities and their probabilities → `doc.ents` or `doc.spans`, and `ent._.score`."""

import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, cast

import numpy as np
from spacy import attrs
from spacy.tokens import Doc, SpanGroup
from spacy.tokens import Span as DocSpan
from thinc.types import Ints2d

from ..pieces.table import gather_ragged
from .entities import ScoredSpan

# How spaCy's key for `span._.ent_scores` begins; the span's first character and the one after its
# last follow.
STORED = ("._.", "ent_scores")
# spaCy's numbers for `token.ent_iob`.
INSIDE, OUTSIDE, BEGIN = 1, 2, 3


def register_extensions() -> None:
    """Register `ent._.score`, and `ent_scores` for docs and spans, unless they exist.

    Creating, loading or unpickling a `bert_ner` calls this. In a program that only
    reads stored docs, call it before you read scores.
    """
    if not DocSpan.has_extension("ent_scores"):
        DocSpan.set_extension("ent_scores", default=None)
    if not Doc.has_extension("ent_scores"):
        Doc.set_extension("ent_scores", getter=list_scores, setter=store_scores)
    if not DocSpan.has_extension("score"):
        DocSpan.set_extension("score", getter=get_score)
    elif DocSpan.get_extension("score")[2] is not get_score:
        warnings.warn(
            "Another extension has the name `span._.score` and is kept. Read the scores of "
            "entities from `doc._.ent_scores`, or remove it before you load the pipeline.",
            stacklevel=2,
        )


def get_score(span: DocSpan) -> float | None:
    """Get the probability of an entity that a `bert_ner` has found.

    If a component that writes to `doc.ents` and one with a `spans_key` have found the
    same span with the same label, this is the score of `doc.ents`. Span groups have
    their own scores in `attrs["scores"]`.

    span (Span): The entity, or any span.
    RETURNS (float | None): Probability of exactly this entity among all valid readings
        of the doc, from 0 to 1. `None` for a span that no `bert_ner` has found.
    """
    stored: dict[Any, Any] = span.doc.user_data
    found = stored.get((*STORED, span.start_char, span.end_char)) or ()
    return next((score for label, score, _ in found if label == span.label_), None)


def list_scores(doc: Doc) -> list[list]:
    """Get the scores of all entities that any `bert_ner` has found: `doc._.ent_scores`.

    They are stored like a span extension (`span._.ent_scores`), so spaCy moves them
    with the text into copies, slices, merged docs and every format that keeps user
    data.

    doc (Doc): The doc.
    RETURNS (List[list]): For each entity the first character, the character after the
        last, label, probability, and the name of its span group, "" for `doc.ents`.
    """
    stored: dict[Any, Any] = doc.user_data
    keys = sorted(key for key in stored if is_stored(key))
    return [[*key[2:], *row] for key in keys for row in stored[key] or ()]


def store_scores(doc: Doc, rows: Iterable[Sequence] | None) -> None:
    """Replace all scores of a doc: the inverse of `list_scores`."""
    stored: dict[Any, Any] = doc.user_data
    for key in [key for key in stored if is_stored(key)]:
        del stored[key]
    for start, end, label, score, place in sorted(rows or (), key=itemgetter(0, 1, 2, 4)):
        stored.setdefault((*STORED, start, end), []).append([label, score, place])


def is_stored(key: object) -> bool:
    """Whether a key of a doc's user data is that of a span's scores."""
    return isinstance(key, tuple) and len(key) == 4 and key[:2] == STORED and key[2] is not None


def write_scores(doc: Doc, spans: Sequence[ScoredSpan], spans_key: str | None = None) -> None:
    """Store the scores of new entities in `doc.ents` or in a span group.

    They replace the old scores of the same place, except those of entities that are
    still in `doc.ents`. Scores of other places are kept.

    doc (Doc): The doc, with its entities written.
    spans (Sequence[ScoredSpan]): Its new entities.
    spans_key (str | None): Name of their span group; `None` for `doc.ents`.
    """
    place = spans_key or ""
    new = [
        [doc[start].idx, (last := doc[end - 1]).idx + len(last), label, score, place]
        for start, end, label, score in spans
    ]
    if not any(map(is_stored, doc.user_data)):
        stored: dict[Any, Any] = doc.user_data
        stored.update(((*STORED, *row[:2]), [row[2:]]) for row in new)
        return
    # A group is replaced; in `doc.ents`, earlier entities are kept.
    kept = () if place else doc.ents
    current = {(ent.start_char, ent.end_char, ent.label_) for ent in kept}
    old = list_scores(doc)
    rows = [row for row in old if row[4] != place or tuple(row[:3]) in current] + new
    # A later score of the same entity replaces an earlier one.
    store_scores(doc, {(*row[:3], row[4]): row for row in rows}.values())


def hide_found(doc: Doc) -> Doc:
    """Copy a doc without the entities that a `bert_ner` has written to `doc.ents`.

    doc (Doc): The doc; it is not changed.
    RETURNS (Doc): A copy without the entities that have a score; the doc itself if no
        entity has one.
    """
    found = {tuple(row[:3]) for row in list_scores(doc) if not row[4]}
    if not found:
        return doc
    others = [e for e in doc.ents if (e.start_char, e.end_char, e.label_) not in found]
    copied = doc.copy()
    copied.set_ents([DocSpan(copied, e.start, e.end, label=e.label) for e in others])
    return copied


def write_ents(docs: Sequence[Doc], spans: Sequence[Sequence[ScoredSpan]]) -> None:
    """Write entities to `doc.ents`, and keep those that are already there.

    docs (Sequence[Doc]): The docs. Untagged tokens become outside.
    spans (Sequence[Sequence[ScoredSpan]]): The entities of each doc, which do not overlap with
        those that it has.
    """
    starts = np.cumsum([0, *(len(doc) for doc in docs)]).tolist()
    # Shape: (n_tokens, 2)
    rows = np.full((starts[-1], 2), (OUTSIDE, 0), dtype=np.uint64)
    found = [
        (start + span.start, span.end - span.start, doc.vocab.strings.add(span.label))
        for doc, start, doc_spans in zip(docs, starts[:-1], spans, strict=True)
        for span in doc_spans
    ]
    firsts, lengths, labels = np.asarray(found, dtype=np.uint64).reshape(-1, 3).T
    inside = gather_ragged(np.arange(len(rows)), firsts.astype(int), lengths.astype(int))
    rows[inside, 0] = INSIDE
    rows[inside, 1] = np.repeat(labels, lengths.astype(int))
    rows[firsts, 0] = BEGIN
    for doc, doc_spans, (start, end) in zip(docs, spans, pairwise(starts), strict=True):
        if not doc.has_annotation("ENT_IOB"):
            # A third of the time of `set_ents`.
            doc.from_array([attrs.ENT_IOB, attrs.ENT_TYPE], cast(Ints2d, rows[start:end]))
            continue
        ents = [DocSpan(doc, *span[:2], label=span.label) for span in doc_spans]
        doc.set_ents(ents, default="unmodified")
        missing = np.flatnonzero(doc.to_array(attrs.ENT_IOB) == 0).tolist()
        doc.set_ents([], outside=[doc[i : i + 1] for i in missing], default="unmodified")


def write_spans(doc: Doc, spans: Sequence[ScoredSpan], spans_key: str) -> None:
    """Write entities to a span group, replacing its spans.

    As with spaCy's `spancat`, the group's `attrs["scores"]` has their probabilities.

    doc (Doc): The doc.
    spans (Sequence[ScoredSpan]): Its entities.
    spans_key (str): Name of the group.
    """
    ents = [DocSpan(doc, start, end, label=label) for start, end, label, _ in spans]
    scores = np.asarray([span.score for span in spans], dtype=np.float64)
    doc.spans[spans_key] = SpanGroup(doc, name=spans_key, attrs={"scores": scores}, spans=ents)
