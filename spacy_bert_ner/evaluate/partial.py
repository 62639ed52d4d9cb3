"""Gold and found entities → partial matches, by the SemEval-2013 scheme."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from ..schemes import Span
from .counts import Scores

MATCH_KINDS = ("correct", "incorrect", "partial", "missed", "spurious")


class Mode(NamedTuple):
    """One of the four definitions of "right".

    needs_border (bool): Whether both borders must be the same.
    needs_label (bool): Whether the label must be the same.
    overlap (str): The kind of an entity that only overlaps a gold one.
    """

    needs_border: bool
    needs_label: bool
    overlap: str


MODES = {
    "strict": Mode(needs_border=True, needs_label=True, overlap="incorrect"),
    "exact": Mode(needs_border=True, needs_label=False, overlap="incorrect"),
    "partial": Mode(needs_border=True, needs_label=False, overlap="partial"),
    "type": Mode(needs_border=False, needs_label=True, overlap="incorrect"),
}


def score_partial(pairs: Iterable[tuple[Sequence[Span], Sequence[Span]]]) -> Scores:
    """Score by the four modes of SemEval-2013 task 9.1, as nervaluate counts them.

    Each found entity, in order, is matched to a gold one that is still free: to one
    that makes it right, otherwise to the first one that it overlaps.

    pairs (Iterable[Tuple[Sequence[Span], Sequence[Span]]]): Gold and found entities of
        each line, in order.
    RETURNS (Dict[str, Any]): By mode "strict" (borders and label), "exact" (borders),
        "partial" (borders; half a point for an overlap) and "type" (label, and some
        overlap): the counts of `MATCH_KINDS`, and "p", "r", "f" (`None` without entities).
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in MODES}
    for gold, found in pairs:
        for name, mode in MODES.items():
            counts[name].update(_match(gold, found, mode))
    return {name: _to_scores(counter) for name, counter in counts.items()}


def _match(gold: Sequence[Span], found: Sequence[Span], mode: Mode) -> Counter[str]:
    kinds: Counter[str] = Counter()
    free = list(gold)
    for span in found:
        near = [other for other in free if _shares_text(span, other)]
        right = [other for other in near if _is_right(span, other, mode)]
        if right:
            # Of several with the label, the one with the nearest borders.
            free.remove(min(right, key=partial(_measure_distance, span)))
            kinds["correct"] += 1
        elif near:
            free.remove(near[0])
            kinds[mode.overlap] += 1
        else:
            kinds["spurious"] += 1
    kinds["missed"] += len(free)
    return kinds


def _measure_distance(span: Span, other: Span) -> int:
    return abs(span[0] - other[0]) + abs(span[1] - other[1])


def _shares_text(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _is_right(span: Span, other: Span, mode: Mode) -> bool:
    has_border = span[:2] == other[:2] or not mode.needs_border
    return has_border and (span[2] == other[2] or not mode.needs_label)


def _to_scores(kinds: Counter[str]) -> Scores:
    points = kinds["correct"] + 0.5 * kinds["partial"]
    n_both = kinds["correct"] + kinds["incorrect"] + kinds["partial"]
    n_found, n_gold = n_both + kinds["spurious"], n_both + kinds["missed"]
    shares: Scores = {"p": None, "r": None, "f": None}
    if n_found or n_gold:
        shares = {
            "p": points / n_found if n_found else 0.0,
            "r": points / n_gold if n_gold else 0.0,
            "f": 2 * points / (n_found + n_gold),
        }
    return {**shares, **{kind: kinds[kind] for kind in MATCH_KINDS}}
