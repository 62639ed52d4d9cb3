"""Lines → examples to look at: text with its gold and found entities."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

from spacy.displacy import EntityRenderer

from ..evaluate.errors import ERROR_KINDS, Error, find_errors
from ..evaluate.lines import Line
from ..schemes import Span

N_EXAMPLES = 6
MARGIN = 160  # characters of a long text that are shown around an error


class Stretch(NamedTuple):
    """Text that is one entity, or is between two.

    text (str): The text.
    label (str): The label of the entity; empty between entities.
    is_wrong (bool): Whether the other side lacks this entity.
    """

    text: str
    label: str = ""
    is_wrong: bool = False


class ShownText(NamedTuple):
    """One text, and the entities that each side marks in it.

    title (str): What it is an example of.
    rows (List[Tuple[str, List[Stretch]]]): Name and stretches of each side.
    """

    title: str
    rows: list[tuple[str, list[Stretch]]]


def pick_errors(lines: Sequence[Line]) -> dict[str, list[ShownText]]:
    """Pick examples of each kind of error, evenly spread over the corpus.

    lines (Sequence[Line]): The lines.
    RETURNS (Dict[str, List[ShownText]]): Up to six for each of `ERROR_KINDS`.
    """
    found: dict[str, list[tuple[Line, Error]]] = {kind: [] for kind in ERROR_KINDS}
    for line in lines:
        for error in find_errors(line.gold, line.found):
            found[error.kind].append((line, error))
    return {
        kind: [_show_error(line, error) for line, error in pick_evenly(rows, N_EXAMPLES)]
        for kind, rows in found.items()
    }


def pick_evenly(rows: Sequence, n: int) -> list:
    """Pick up to n rows, from the first on, at equal distances.

    EXAMPLE:
        >>> pick_evenly("abcdefgh", 3)
        ['a', 'c', 'f']
    """
    return [rows[i * len(rows) // n] for i in range(n)] if len(rows) > n else list(rows)


def pick_differences(
    lines: Sequence[Line], others: Sequence[Line], names: tuple[str, str]
) -> list[ShownText]:
    """Pick texts in which two pipelines find different entities.

    lines (Sequence[Line]): What one pipeline found.
    others (Sequence[Line]): What the other one found in the same texts.
    names (Tuple[str, str]): Their names.
    RETURNS (List[ShownText]): Up to twelve.
    """
    rows = [
        (line, other)
        for line, other in zip(lines, others, strict=True)
        if _list_places(line) != _list_places(other)
    ]
    samples = []
    for line, other in pick_evenly(rows, 2 * N_EXAMPLES):
        differing = sorted(_list_places(line) ^ _list_places(other))
        shown = _find_excerpt(line.text, *differing[0][:2])
        samples.append(
            ShownText(
                "",
                [
                    ("gold", _mark(line, line.gold, line.gold, shown)),
                    (names[0], _mark(line, line.found, line.gold, shown)),
                    (names[1], _mark(other, other.found, other.gold, shown)),
                ],
            )
        )
    return samples


def _list_places(line: Line) -> set[Span]:
    # found entities in characters, for two pipelines may cut a text into different units
    return {(*_find_chars(line, span), span[2]) for span in line.found}


def _show_error(line: Line, error: Error) -> ShownText:
    chars = [_find_chars(line, span) for span in (error.gold, error.found) if span is not None]
    shown = _find_excerpt(line.text, min(chars)[0], max(end for _, end in chars))
    names = [span[2] if span else "nothing" for span in (error.gold, error.found)]
    return ShownText(
        f"{names[0]} → {names[1]}",
        [
            ("gold", _mark(line, line.gold, line.found, shown)),
            ("found", _mark(line, line.found, line.gold, shown)),
        ],
    )


def _find_chars(line: Line, span: Span) -> tuple[int, int]:
    start, end, _ = span
    if start == end:
        return 0, 0
    return line.units[start][0], line.units[end - 1][1]


def _find_excerpt(text: str, start: int, end: int) -> tuple[int, int]:
    # what is shown of a text, cut at blanks
    low, high = start - MARGIN, end + MARGIN
    low = text.rfind(" ", 0, low) + 1 if low > 0 else 0
    cut = text.find(" ", high) if high < len(text) else -1
    return low, len(text) if cut < 0 else cut


def _mark(
    line: Line, spans: Sequence[Span], others: Sequence[Span], shown: tuple[int, int]
) -> list[Stretch]:
    return [stretch for stretch in _cut_stretches(line, spans, set(others), shown) if stretch.text]


def _cut_stretches(
    line: Line, spans: Sequence[Span], others: set[Span], shown: tuple[int, int]
) -> Iterator[Stretch]:
    low, high = shown
    at = low
    yield Stretch("… " if low else "")
    for span in spans:
        start, end = _find_chars(line, span)
        if low <= start < end <= high:
            yield Stretch(line.text[at:start])
            yield Stretch(line.text[start:end], span[2], span not in others)
            at = end
    yield Stretch(line.text[at:high])
    yield Stretch(" …" if high < len(line.text) else "")


def choose_colors(labels: Sequence[str]) -> dict[str, str]:
    """Give each label its colour: displaCy's, or the next one that is free.

    labels (Sequence[str]): The labels.
    RETURNS (Dict[str, str]): Label → `#rrggbb`.
    """
    colors = EntityRenderer().colors
    palette = list(dict.fromkeys(colors.values()))
    taken = {colors[label.upper()] for label in labels if label.upper() in colors}
    free = [color for color in palette if color not in taken] or palette
    # Neighbours in displaCy's list are alike.
    spread = cycle(free[::2] + free[1::2])
    return {label: colors.get(label.upper()) or next(spread) for label in labels}
