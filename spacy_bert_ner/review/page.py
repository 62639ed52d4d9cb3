"""Candidates and their summary → one HTML page with filters, without scripts."""

from collections.abc import Iterator, Sequence
from typing import Any

from spacy.tokens import Doc

from ..report.examples import ShownText, Stretch, choose_colors
from ..report.page import make_environment
from ..schemes import Span
from .candidates import KINDS, Candidate
from .sentences import to_chars

LIMITS = (0.1, 0.01, 0.001)
"""The filters by probability: gold readings below these."""


def render_findings(candidates: Sequence[Candidate], summary: dict[str, Any]) -> str:
    """Render the page. All text from the data is escaped.

    candidates (Sequence[Candidate]): Those to show, in order.
    summary (Dict[str, Any]): The summary; see `find_label_errors`.
    RETURNS (str): The page.
    """
    labels = sorted({label for x in candidates for *_, label in [*x.gold, *x.proposed]})
    spans = [span for x in candidates for span in x.reading]
    shown_labels = sorted({*labels, *(label for *_, label in spans)})
    places = [
        {
            "id": x.id,
            "kind": KINDS.index(x.kind),
            "labels": [i for i, label in enumerate(labels) if label in find_labels(x)],
            "limits": [i for i, limit in enumerate(LIMITS) if x.gold_probability >= limit],
            "gold": x.gold_probability,
            "proposed": x.proposed_probability,
            "elsewhere": x.elsewhere,
            "sample": show_candidate(x),
        }
        for x in candidates
    ]
    template = make_environment().get_template("review.html")
    return template.render(
        places=places,
        summary=summary,
        kinds=KINDS,
        labels=labels,
        limits=LIMITS,
        colors=choose_colors(shown_labels),
    )


def find_labels(candidate: Candidate) -> set[str]:
    """Collect the labels of both readings of a place."""
    return {label for *_, label in [*candidate.gold, *candidate.proposed]}


def show_candidate(candidate: Candidate) -> ShownText:
    """Mark both readings of a sentence; where they differ, the gold is marked as wrong."""
    doc, proposed = candidate.doc, candidate.reading
    gold = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    rows = [
        ("gold", list(cut_stretches(doc, gold, proposed))),
        ("proposed", list(cut_stretches(doc, proposed, proposed))),
    ]
    return ShownText("", rows)


def cut_stretches(doc: Doc, spans: Sequence[Span], right: Sequence[Span]) -> Iterator[Stretch]:
    """Cut a sentence at its entities; those that are not right are marked."""
    at = 0
    for span, (start, end, label) in zip(spans, to_chars(doc, spans), strict=True):
        yield Stretch(doc.text[at:start])
        yield Stretch(doc.text[start:end], label, span not in right)
        at = end
    yield Stretch(doc.text[at:])
