"""Cells that mark where spans begin and end, as in OntoNotes and WebAnno → tags."""

import re
from itertools import repeat

from ...schemes import Span, spans_to_tags

_BRACKETS = re.compile(r"(?:\([^()*\s]+)*\*?\)*")
_STACKED = re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\(?=.)")


def is_bracket(cell: str) -> bool:
    """Whether a cell is one of OntoNotes: `*`, with brackets that open and close spans."""
    return _BRACKETS.fullmatch(cell) is not None


def read_brackets(raw: list[str]) -> tuple[list[str], list[str]]:
    """Read OntoNotes' brackets; of nested ones the outermost counts.

    RETURNS (tuple[list[str], list[str]]): The tags, and the labels of the lost entities.

    EXAMPLE:
        >>> read_brackets(["(PERSON)", "*", "(ORG(GPE*", "*))"])
        (['B-PERSON', 'O', 'B-ORG', 'I-ORG'], ['GPE'])
    """
    tags, lost, label, depth = [], [], "", 0
    for cell in raw:
        if not cell or not is_bracket(cell):
            tags.append("")
            continue
        opened = re.findall(r"\(([^()*\s]+)", cell)
        if not depth and opened:
            label, *inner = opened
            tags.append(f"B-{label}")
        else:
            inner = opened
            tags.append(f"I-{label}" if depth else "O")
        lost += inner
        depth = max(depth + len(opened) - cell.count(")"), 0)
    return tags, lost


def read_webanno(raw: list[str]) -> tuple[list[str], list[str]]:
    """Read WebAnno's values: equal numbers in brackets are one entity.

    Of entities that overlap, the longest counts, else the first.

    RETURNS (tuple[list[str], list[str]]): The tags, and the values of the lost entities.

    EXAMPLE:
        >>> read_webanno(["PER[1]", "LOC[2]|PER[1]", "_", "LOC", "LOC"])
        (['B-PER', 'I-PER', 'O', 'B-LOC', 'B-LOC'], ['LOC[2]'])
    """
    found: dict[tuple[str, int], list[int]] = {}
    for i, cell in enumerate(raw):
        for value in map(_ESCAPE.sub, repeat(""), _STACKED.split(cell)):
            if value not in ("_", ""):
                found.setdefault((value, -1 if value.endswith("]") else i), []).append(i)
    spans: list[Span] = []
    lost, taken = [], set[int]()
    for (value, _), places in sorted(found.items(), key=_longest_first):
        label, span = value.partition("[")[0], range(places[0], places[-1] + 1)
        if label == "*" or not taken.isdisjoint(span):
            lost.append(value)
        else:
            taken.update(span)
            spans.append((span.start, span.stop, label))
    return spans_to_tags(sorted(spans), len(raw)), lost


def _longest_first(item: tuple[tuple[str, int], list[int]]) -> tuple[int, int]:
    places = item[1]
    return -len(places), places[0]
