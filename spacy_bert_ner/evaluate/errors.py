"""Gold and found entities → the kind of error of each wrong one."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..schemes import Span
from .counts import Scores
from .lines import Line

ERROR_KINDS = ("label", "border", "label and border", "missed", "invented")
"""What can be wrong with an entity."""


class Error(NamedTuple):
    """A wrong entity.

    kind (str): One of `ERROR_KINDS`.
    gold (Tuple[int, int, str] | None): The gold entity; `None` if it is invented.
    found (Tuple[int, int, str] | None): The found entity; `None` if it is missed.
    """

    kind: str
    gold: Span | None
    found: Span | None


def find_errors(gold: Sequence[Span], found: Sequence[Span]) -> list[Error]:
    """Pair each wrong entity of a line with the one that it should have been.

    Entities that overlap are paired one to one, the longest overlap first.

    gold (Sequence[Tuple[int, int, str]]): The gold entities.
    found (Sequence[Tuple[int, int, str]]): The found ones.
    RETURNS (List[Error]): The errors, in the order of the text.
    """
    right = set(gold) & set(found)
    wrong_gold = [span for span in gold if span not in right]
    wrong_found = [span for span in found if span not in right]
    overlaps = sorted(
        (-_measure_overlap(a, b), i, j)
        for i, a in enumerate(wrong_gold)
        for j, b in enumerate(wrong_found)
        if _measure_overlap(a, b) > 0
    )
    errors: list[Error] = []
    paired_gold: set[int] = set()
    paired_found: set[int] = set()
    for _, i, j in overlaps:
        if i not in paired_gold and j not in paired_found:
            paired_gold.add(i)
            paired_found.add(j)
            errors.append(_judge(wrong_gold[i], wrong_found[j]))
    errors += [
        Error("missed", span, None) for i, span in enumerate(wrong_gold) if i not in paired_gold
    ]
    errors += [
        Error("invented", None, span) for j, span in enumerate(wrong_found) if j not in paired_found
    ]
    return sorted(errors, key=_find_place)


def _measure_overlap(a: Span, b: Span) -> int:
    return min(a[1], b[1]) - max(a[0], b[0])


def _judge(gold: Span, found: Span) -> Error:
    if gold[:2] == found[:2]:
        return Error("label", gold, found)
    return Error("border" if gold[2] == found[2] else "label and border", gold, found)


def _find_place(error: Error) -> tuple[int, int]:
    starts = [span[:2] for span in (error.gold, error.found) if span is not None]
    return starts[0]


def summarize_errors(lines: Sequence[Line]) -> Scores:
    """Count the errors of each kind, and how often labels are confused.

    lines (Sequence[Line]): The lines.
    RETURNS (Dict[str, Any]): "kinds": the number of each of `ERROR_KINDS`; "labels": the
        same for each label (the gold one, or that of an invented entity); "confusion":
        rows of [gold label, found label, count], most frequent first, where an empty
        label means no entity.
    """
    kinds: Counter[str] = Counter()
    by_label: dict[str, Counter[str]] = {}
    confusion: Counter[tuple[str, str]] = Counter()
    for line in lines:
        for span in set(line.gold) & set(line.found):
            confusion[span[2], span[2]] += 1
        for error in find_errors(line.gold, line.found):
            gold = error.gold[2] if error.gold else ""
            found = error.found[2] if error.found else ""
            kinds[error.kind] += 1
            by_label.setdefault(gold or found, Counter())[error.kind] += 1
            confusion[gold, found] += 1
    rows = sorted(confusion.items(), key=_sort_by_count)
    return {
        "kinds": {kind: kinds[kind] for kind in ERROR_KINDS},
        "labels": {x: {kind: by_label[x][kind] for kind in ERROR_KINDS} for x in sorted(by_label)},
        "confusion": [[gold, found, n] for (gold, found), n in rows],
    }


def _sort_by_count(row: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -row[1], row[0]
