"""An example → its gold and found entities, in units that both sides share."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan
from spacy.training import Example

from ..decode.annotate import get_score
from ..schemes import Span, spans_to_tags
from ..tag.annotated import is_annotated


class Line(NamedTuple):
    """The entities of one doc, gold and found, in units.

    A unit is a stretch of text without whitespace that no token border of either side
    divides. With the corpus's own words, units are its words. So every entity has
    units, even if its borders are inside a token of the other side.

    doc (int): Number of the gold doc; sentences of one doc share it.
    text (str): The text.
    units (List[Tuple[int, int]]): First character of each unit and the one after its last.
    gold (List[Tuple[int, int, str]]): Gold entities; start, end (exclusive) and label.
    found (List[Tuple[int, int, str]]): Entities that the pipeline found, except those
        that touch a unit that nobody annotated, or whose label nobody annotated there.
    scores (List[float | None]): Their probabilities; `None` if the pipeline has none.
    missing (FrozenSet[int]): The units that nobody annotated.
    n_words (int): Words of the gold doc.
    n_ignored (int): Found entities left out, because nobody annotated what they say.
    """

    doc: int
    text: str
    units: list[tuple[int, int]]
    gold: list[Span]
    found: list[Span]
    scores: list[float | None]
    missing: frozenset[int]
    n_words: int
    n_ignored: int

    @property
    def gold_tags(self) -> list[str]:
        """The gold entities as IOB2 tags, one for each unit."""
        return _write_tags(self.gold, len(self.units))

    @property
    def found_tags(self) -> list[str]:
        """The found entities as IOB2 tags, one for each unit."""
        return _write_tags(self.found, len(self.units))

    def get_text(self, span: Span) -> str:
        """Get the text of an entity as it is in the doc."""
        start, end, _ = span
        return self.text[self.units[start][0] : self.units[end - 1][1]] if start < end else ""


def example_to_line(eg: Example, number: int = 0) -> Line:
    """Convert the predicted and the gold doc of an example to a line.

    eg (Example): The doc with the found entities, and the gold doc.
    number (int): Number of the gold doc.
    RETURNS (Line): Their entities, in units.
    """
    doc, gold_doc = eg.predicted, eg.reference
    starts, gold_starts = _count_chars(doc), _count_chars(gold_doc)
    borders = np.union1d(starts, gold_starts)
    # Shape: (n_visible_characters,)
    visible = np.flatnonzero(~_find_blanks(doc.text))
    units = [(int(visible[a]), int(visible[b - 1]) + 1) for a, b in pairwise(borders.tolist())]
    missing = {
        unit
        for token in gold_doc
        if token.ent_iob == 0
        for unit in range(*np.searchsorted(borders, gold_starts[token.i : token.i + 2]).tolist())
    }
    found = zip(_place(doc.ents, starts, borders), _list_scores(doc), doc.ents, strict=True)
    kept = [
        (span, score)
        for span, score, ent in found
        if missing.isdisjoint(range(*span[:2])) and is_annotated(eg, ent)
    ]
    return Line(
        doc=number,
        text=doc.text,
        units=units,
        gold=_place(gold_doc.ents, gold_starts, borders),
        found=[span for span, _ in kept],
        scores=[score for _, score in kept],
        missing=frozenset(missing),
        n_words=sum(not token.is_space for token in gold_doc),
        n_ignored=len(doc.ents) - len(kept),
    )


def _find_blanks(text: str) -> np.ndarray:
    # Shape: (n_characters,)
    return np.fromiter(map(str.isspace, text), dtype=bool, count=len(text))


def _count_chars(doc: Doc) -> np.ndarray:
    # visible characters before each token, and in all; Shape: (n_tokens + 1,)
    ends = np.concatenate([[0], np.cumsum(~_find_blanks(doc.text))])
    return ends[[*(token.idx for token in doc), len(doc.text)]]


def _list_scores(doc: Doc) -> list[float | None]:
    # A pipeline without a `bert_ner` does not have the extension.
    has_scores = doc.has_extension("ent_scores")
    return [get_score(ent) if has_scores else None for ent in doc.ents]


def _place(ents: Sequence[DocSpan], starts: np.ndarray, borders: np.ndarray) -> list[Span]:
    # each entity's units
    return [
        (
            int(np.searchsorted(borders, starts[ent.start])),
            int(np.searchsorted(borders, starts[ent.end])),
            ent.label_,
        )
        for ent in ents
    ]


def _write_tags(spans: Iterable[Span], n_units: int) -> list[str]:
    # An entity of only whitespace has no unit.
    return spans_to_tags([span for span in spans if span[0] < span[1]], n_units)
