"""A span's offsets as a tool counts them → offsets in characters, checked with the span's text."""

from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import normalize

from .countings import OTHER_COUNTINGS, has_pairs
from .fields import CharSpan, Fields

_STARTS = (
    "start_offset",
    "start",
    "begin",
    "start_char",
    "start_idx",
    "startOffset",
    "beginOffset",
    "offset",
)
_ENDS = ("end_offset", "end", "end_char", "end_idx", "endOffset", "stop")
_LENGTHS = ("length", "len")
_PAIRS = ("span", "char_span", "offsets", "offset", "pos", "position", "indices")
_LABELS = ("label", "labels", "type", "entity_type", "tag", "category", "class", "entity_group",
           "entity", "name")  # fmt: skip
_SURFACES = ("text", "word", "value", "mention", "surface", "span", "entity", "name")


def find_span(
    task: Fields,
    text: str,
    start: int,
    end: int,
    found: object,
    *,
    inclusive: bool = False,
    units_first: bool = False,
) -> tuple[int, int]:
    """Find which characters a span covers, checked with the span's text.

    Tools count characters or as `OTHER_COUNTINGS` says, and their end is the last character
    or the one after it. The first of these readings that matches the span's text is used.
    Tools trim and join blanks in that text, and some compose its characters or give it in
    lower case, so a second comparison ignores blanks, case and composition.

    task (Fields): The record, for its place.
    text (str): The text of the record.
    start (int): Where the span starts.
    end (int): Where it ends.
    found (object): The span's text as the tool gives it; anything else is not compared.
    inclusive (bool): Whether the tool's ends are the last character.
    units_first (bool): Whether the tool counts UTF-16 units.
    RETURNS (tuple[int, int]): Start and end, exclusive.
    RAISES (FormatError): If no reading matches the text.
    """
    if not isinstance(found, str) or not found.strip():
        return start, end + inclusive
    extras = (1, 0) if inclusive else (0, 1)
    readings = [(start, end + extra) for extra in extras]
    others = [
        (counting.to_chars(text, first), counting.to_chars(text, last))
        for counting in OTHER_COUNTINGS
        if counting.differs(text) and not counting.includes_end
        for first, last in readings
    ]
    if units_first and has_pairs(text):
        readings = others[:2] + readings + others[2:]
    else:
        readings += others
    for clean in (str, _fold):
        wanted = clean(found)
        for first, last in readings:
            if clean(text[first:last]) == wanted:
                return first, last
    raise task.error(
        f"offsets {start}:{end} hold '{text[start : end + inclusive][:60]}', expected "
        f"'{found[:60]}'. The text was changed after annotation: export the data again."
    )


def read_span(item: Fields, text: str) -> CharSpan:
    """Read a span: a list, or an object in any common form.

    item (Fields): The span.
    text (str): The record's text.
    RETURNS (CharSpan): Start, end (exclusive) and label, in characters.
    RAISES (FormatError): If the span has no label or no offsets.
    """
    if not isinstance(item.value, Mapping):
        return item.triple(text)
    value = item.value
    pair = next((value[key] for key in _PAIRS if isinstance(value.get(key), list)), None)
    if pair is not None:
        pair = pair[0] if len(pair) == 1 and isinstance(pair[0], list) else pair
        start, end = item.inner(pair_to_dict(pair)).borders()
    else:
        first, last = _find_key(value, _STARTS), _find_key(value, _ENDS)
        length = next((value[key] for key in _LENGTHS if key in value), None)
        if last not in value and type(value.get(first)) is type(length) is int:
            item = item.inner({**value, last: value[first] + length})
        start, end = item.borders(first, last)
    return (*find_span(item, text, start, end, find_surface(value)), find_label(item))


def list_spans(value: Any) -> Any:
    """RETURNS (Any): Spans as a list of objects; `datasets` keeps them as an object of lists.

    EXAMPLE:
        >>> list_spans({"start": [0], "end": [4], "label": ["PER"]})
        [{'start': 0, 'end': 4, 'label': 'PER'}]
    """
    if not isinstance(value, Mapping) or value.keys().isdisjoint((*_STARTS, *_PAIRS)):
        return value
    columns = list(value.values())
    if any(not isinstance(cells, list) or len(cells) != len(columns[0]) for cells in columns):
        return value
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]


def find_label(item: Fields) -> str:
    """RETURNS (str): The label of a span object, under any common key."""
    labels = [item.value[key] for key in _LABELS if item.value.get(key) is not None]
    labels = [x[0] if isinstance(x, list) and len(x) == 1 else x for x in labels]
    return item.inner({"label": labels[0] if labels else None}).label()


def _find_key(value: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((key for key in keys if key in value), keys[1])


def find_surface(value: Mapping[str, Any]) -> str | None:
    """RETURNS (str | None): The text of a span object, if it has one."""
    label = next((value[key] for key in _LABELS if value.get(key) is not None), None)
    texts = (value.get(key) for key in _SURFACES)
    return next((text for text in texts if isinstance(text, str) and text != label), None)


def pair_to_dict(pair: Any) -> Any:
    """RETURNS (Any): A list of two offsets as an object with `start` and `end`."""
    if isinstance(pair, list) and len(pair) == 2:
        return {"start": pair[0], "end": pair[1]}
    return pair


def _fold(text: str) -> str:
    return normalize("NFC", "".join(text.split())).casefold()
