"""The tags of a file, in any spelling → how to read them as `O`, `B-PER`, `I-PER` …"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from ...schemes import is_tag
from ..sentence import Advice
from .span_cells import is_bracket, read_brackets, read_webanno

ALLOWED_TAGS = "O, or one of B- I- E- S- L- U- followed by a label, such as B-PER"
MOST_TAGS = 5_000
"""Distinct tags above which a column holds no tags."""

NO_ENTITY = frozenset(("O", "o", "_", "-"))
"""Tags of words in no entity."""

_LONGEST_TAG = 100
_DASHES = "-_:/|\u2010-\u2015\u2212\uff0d"
_PREFIXED = re.compile(rf"([BIESLUMW])([{_DASHES}])(\S(?:.*\S)?)", re.IGNORECASE)
_SUFFIXED = re.compile(r"(\S(?:.*\S)?)([-_])([BIESLUMW])", re.IGNORECASE)
_LABEL = re.compile(r"[^\W\d_][^\s,;]*")
_TO_USUAL = {"M": "I", "W": "S"}
_CHUNKS = frozenset(
    (
        "NC",
        "VC",
        "PC",
        "NP",
        "VP",
        "PP",
        "ADVP",
        "SBAR",
        "ADJP",
        "PRT",
        "CONJP",
        "INTJ",
        "LST",
        "UCP",
        "CLS",
    )
)


class TagForms(NamedTuple):
    """How the tags of one file are spelled.

    name (str): The spelling, for the user; "" for the usual one.
    read_tag (Callable): A tag → its usual form, or "" if it is malformed.
    read_tags (Callable | None): The tags of a sentence → their usual forms, where a tag
        depends on those before it, "" for malformed ones; and the entities that are lost.
    """

    name: str
    read_tag: Callable[[str], str]
    read_tags: Callable[[list[str]], tuple[list[str], list[str]]] | None = None


def choose_forms(
    tags: Mapping[str, int], *, label: str | None = None, is_bare: bool = False
) -> TagForms | None:
    """Choose the spelling that the tags of a file have in common.

    tags (Mapping[str, int]): Distinct tags, and how many words have each.
    label (str | None): The label, if all tags are B, I and O.
    is_bare (bool): Whether the tags have no prefix, even if they look as if they had.
    RETURNS (TagForms | None): The spelling; None if these are no tags.
    """
    inside = [tag for tag in tags if tag and tag not in NO_ENTITY]
    if is_bare:
        return BARE
    if label and set("BI") >= {tag.upper() for tag in inside}:
        return TagForms("B, I and O without label", _LabelReader(label))
    usual = [tag for tag in inside if is_tag(tag)]
    if usual and not _are_bare_in_disguise(usual):
        if any(tag[0] in "MW" and _PREFIXED.fullmatch(tag) for tag in inside):
            return TagForms("BMES", _read_prefixed)
        n_usual, n_inside = sum(tags[tag] for tag in usual), sum(tags[tag] for tag in inside)
        others = [tag for tag in inside if tag not in usual]
        if len(others) == 1 and n_usual * 2 < n_inside and NO_ENTITY.isdisjoint(tags):
            outside = others[0]
            return TagForms(f"those of entities, and {outside} for O", _OutsideReader(outside))
        # faults of a file in the usual spelling stay faults
        return USUAL if n_usual > 0.8 * n_inside else None
    if inside and all(map(_PREFIXED.fullmatch, inside)) and not usual:
        return TagForms(f"prefixes such as in {min(inside)}", _read_prefixed)
    if inside and all(map(_SUFFIXED.fullmatch, inside)) and not usual:
        return TagForms(f"suffixes such as in {min(inside)}", _read_suffixed)
    if "*" in tags and all(map(is_bracket, tags)):
        return BRACKETS
    return None if inside else USUAL


def are_numbers(tags: Collection[str]) -> bool:
    """Whether tags are numbers, which mean tags by their order."""
    return bool(tags) and all(map(str.isdecimal, tags))


def number_forms(names: Sequence[str]) -> TagForms:
    """RETURNS (TagForms): How to read numbers that stand for tags."""
    return TagForms("numbers of `tag_names`", _NumberReader(names))


def describe_fault(cell: str) -> str:
    """RETURNS (str): What is wrong with a malformed tag, and what to do."""
    if cell.isdecimal():
        return (
            f"the number {cell[:20]} as a tag, and no name for it. Give the names of all numbers "
            "in their order with `tag_names`, such as O,B-PER,I-PER: they are in the data set's "
            "card, or in `dataset.features`."
        )
    found = f"tag '{cell[:60]}'" if cell else "no tag"
    if not cell.isascii():  # О may be Cyrillic, and a blank another one
        found += f" ({cell[:60]!a})"
    return f"{found}, expected {ALLOWED_TAGS}. Fix the tag."


def describe_untagged(cells: Collection[str], column: int) -> tuple[str, Sequence[Advice]]:
    """Say what is wrong with a column (from 0) of which no cell is a tag with a label.

    RETURNS (tuple[str, Sequence[Advice]]): The text, "" if nothing is wrong; and the advice.
    """
    inside = {cell.upper() for cell in cells} - NO_ENTITY
    if inside and inside <= set("BI"):
        text = f"tags {', '.join(sorted(cells))} in column {column + 1} name no label."
        return text, [{"label": "ENTITY"}]
    if any(map(is_tag, cells)):
        return "", ()
    if are_numbers(cells):
        return describe_fault(min(cells)), ()
    shown = ", ".join(f"'{cell[:30]}'" for cell in list(cells)[:3])
    text = (
        f"no tag such as B-PER in column {column + 1} ({shown}). Expected a word and its tag in "
        "each line (O for no entity), and a blank line after each sentence. Name the column of the "
        "tags with `tag_column`, or write the data in one of the formats that are read."
    )
    return text, [{"bare_labels": True}] if all(map(str.isalpha, cells)) else ()


def are_bare_labels(tags: Mapping[str, int]) -> bool:
    """Whether tags look like labels without prefixes, `O` among them."""
    inside = [tag for tag in tags if tag and tag not in NO_ENTITY]
    n_outside = sum(tags[tag] for tag in ("O", "o") if tag in tags)
    return (
        n_outside >= 0.2 * sum(tags.values())
        and 0 < len(inside) <= 200
        and all(map(_LABEL.fullmatch, inside))
        # a file in another spelling with faults is not one of bare labels
        and sum(map(is_tag, inside)) < len(inside) / 2 + _are_bare_in_disguise(inside) * len(inside)
        and {tag.upper() for tag in inside} - set("BI") != set()
    )


def are_chunks(tags: Collection[str]) -> bool:
    """Whether tags are those of syntax, such as B-NP or (TOP(S*, and not of entities."""
    if any("(TOP" in tag for tag in tags):
        return True
    labels = {tag[2:] for tag in tags if tag not in NO_ENTITY}
    return bool(labels) and len(labels & _CHUNKS) > len(labels) / 2


class _LabelReader:
    def __init__(self, label: str) -> None:
        self.label = label

    def __call__(self, tag: str) -> str:
        return f"{tag.upper()}-{self.label}" if tag.upper() in ("B", "I") else _read_outside(tag)


class _OutsideReader:
    def __init__(self, outside: str) -> None:
        self.outside = outside

    def __call__(self, tag: str) -> str:
        return "O" if tag == self.outside else _read_usual(tag)


class _NumberReader:
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, tag: str) -> str:
        if tag.isdecimal():
            tag = self.names[int(tag)] if len(tag) < 5 and int(tag) < len(self.names) else ""
        return _read_usual(tag)


def _read_outside(tag: str) -> str:
    return "O" if tag in NO_ENTITY else ""


def _read_usual(tag: str) -> str:
    return tag if is_tag(tag) and len(tag) <= _LONGEST_TAG else _read_outside(tag)


def _read_prefixed(tag: str) -> str:
    match = _PREFIXED.fullmatch(tag)
    if not match or len(tag) > _LONGEST_TAG:
        return _read_outside(tag)
    prefix = match[1].upper()
    return f"{_TO_USUAL.get(prefix, prefix)}-{match[3]}"


def _read_suffixed(tag: str) -> str:
    match = _SUFFIXED.fullmatch(tag)
    return _read_prefixed(f"{match[3]}-{match[1]}") if match else _read_outside(tag)


def _read_bare(tag: str) -> str:
    return f"I-{tag}" if tag.strip() and tag not in NO_ENTITY else _read_outside(tag)


def _read_bracket(tag: str) -> str:
    return read_brackets([tag])[0][0]


def _read_webanno_tag(tag: str) -> str:
    return read_webanno([tag])[0][0]


def _are_bare_in_disguise(usual: list[str]) -> bool:
    # E-mail, S-Bahn: an E- or L- without any B- or I- closes nothing
    prefixes = {tag[0] for tag in usual}
    return bool(prefixes & {"E", "L"}) and not prefixes & {"B", "I"}


USUAL = TagForms("", _read_usual)
BARE = TagForms("labels without B- and I-", _read_bare)
BRACKETS = TagForms("OntoNotes' brackets", _read_bracket, read_brackets)
WEBANNO = TagForms("WebAnno's values", _read_webanno_tag, read_webanno)
