"""Gold and found entities → counts → precision, recall and F-score."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..schemes import Span

Scores = dict[str, Any]
"""Part of the results: numbers, text and dicts that can be written as JSON."""


class Counts(NamedTuple):
    """The numbers of right, found and gold entities.

    right (int): Found entities with the borders and label of a gold one.
    found (int): Found entities.
    gold (int): Annotated entities: the support.
    """

    right: int
    found: int
    gold: int

    def to_scores(self) -> Scores:
        """Compute precision, recall and F-score from 0 to 1, and the counts.

        As in spaCy and seqeval, a division by 0 gives 0. If there are no found and no
        gold entities, all three are `None`.

        EXAMPLE:
            >>> Counts(right=1, found=2, gold=4).to_scores()
            {'p': 0.5, 'r': 0.25, 'f': 0.33..., 'right': 1, 'found': 2, 'gold': 4}
        """
        right, found, gold = self
        shares: Scores = {"p": None, "r": None, "f": None}
        if found or gold:
            # 2PR / (P + R), with the shares multiplied out
            shares = {
                "p": right / found if found else 0.0,
                "r": right / gold if gold else 0.0,
                "f": 2 * right / (found + gold),
            }
        return {**shares, "right": right, "found": found, "gold": gold}


def count_spans(pairs: Iterable[tuple[Sequence[Span], Sequence[Span]]]) -> dict[str, Counts]:
    """Count entities by label; an entity is right if both borders and the label are.

    pairs (Iterable[Tuple[Sequence[Span], Sequence[Span]]]): Gold and found entities of
        each line.
    RETURNS (Dict[str, Counts]): By label, sorted, for all labels of both sides.
    """
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for gold_spans, found_spans in pairs:
        right.update(span[2] for span in set(gold_spans) & set(found_spans))
        found.update(span[2] for span in found_spans)
        gold.update(span[2] for span in gold_spans)
    return {x: Counts(right[x], found[x], gold[x]) for x in sorted(found.keys() | gold.keys())}


def sum_counts(counts: Iterable[Counts]) -> Counts:
    """Add up counts; without any, all are 0."""
    rows = list(counts)
    return Counts(*(sum(row[i] for row in rows) for i in range(3)))


def summarize(by_label: Mapping[str, Counts]) -> Scores:
    """Compute the scores of all entities and of each label.

    by_label (Mapping[str, Counts]): The counts.
    RETURNS (Dict[str, Any]): "micro" (every entity counts the same), "macro" (every
        label counts the same), "weighted" (labels count by their support) and "labels",
        as scikit-learn and seqeval define them. Averages over no labels are `None`.
    """
    labels = {label: counts.to_scores() for label, counts in by_label.items()}
    support = [counts.gold for counts in by_label.values()]
    return {
        "micro": sum_counts(by_label.values()).to_scores(),
        "macro": average(list(labels.values()), [1] * len(labels)),
        "weighted": average(list(labels.values()), support),
        "labels": labels,
    }


def average(rows: Sequence[Scores], weights: Sequence[int]) -> Scores:
    """Compute the weighted means of precision, recall and F-score.

    rows (Sequence[Dict[str, Any]]): The scores.
    weights (Sequence[int]): The weight of each row.
    RETURNS (Dict[str, Any]): "p", "r" and "f"; `None` if the weights sum to 0.
    """
    total = sum(weights)
    if not total:
        return {"p": None, "r": None, "f": None}
    return {
        key: sum(row[key] * weight for row, weight in zip(rows, weights, strict=True)) / total
        for key in "prf"
    }
