"""What reading gives and writing takes; findings with their places; one kind of error."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from ..schemes import Span

SpanGroups = Mapping[str, Sequence[Span]]
"""Spans that may overlap, by the name of their group, as in `doc.spans`."""

_NO_GROUPS: SpanGroups = MappingProxyType({})


class Sentence(NamedTuple):
    """Words and tags of one sentence, with their places in the file.

    words (list[str]): The raw units of the file.
    tags (list[str]): One well-formed tag per word, in the file's own scheme.
    lines (Sequence[int]): The file's line of each word, counted from 1.
    document (int): Number of the document; 0 as long as no border between documents was seen.
    spaces (list[bool] | None): Whether a blank follows each word, where the file knows.
    is_text (bool): Whether this is a whole text in which nobody marked sentences.
    missing (Sequence[int]): Words that nobody annotated; their tags are `O`.
    groups (SpanGroups): Spans other than the entities; they may end after the sentence.
    """

    words: list[str]
    tags: list[str]
    lines: Sequence[int]
    document: int = 0
    spaces: list[bool] | None = None
    is_text: bool = False
    missing: Sequence[int] = ()
    groups: SpanGroups = _NO_GROUPS


def note_missing(missing: Sequence[int], place: str, notes: "Notes") -> None:
    """Count words that nobody annotated."""
    if missing:
        text = "tokens that nobody annotated: their entities stay missing, they are not O"
        notes.add("missing-annotation", text, place, count=len(missing))


class DocData(NamedTuple):
    """What one Doc is made of, as plain lists.

    words (list[str]): Its tokens.
    spaces (list[bool]): Whether a blank follows each.
    spans (list[Span]): Its entities, in order.
    starts (list[int]): Tokens that start a sentence; empty if nobody marked sentences.
    missing (Sequence[int]): Tokens that nobody annotated, in order.
    groups (SpanGroups): Spans other than the entities.
    """

    words: list[str]
    spaces: list[bool]
    spans: list[Span]
    starts: list[int]
    missing: Sequence[int] = ()
    groups: SpanGroups = _NO_GROUPS

    @property
    def text(self) -> str:
        """RETURNS (str): The Doc's text."""
        return "".join(
            word + " " if space else word
            for word, space in zip(self.words, self.spaces, strict=True)
        )


Advice = Mapping[str, Any]
"""Settings of reading that would read a file otherwise: name → value."""

_LONGEST = 2_000  # characters of a message


class FormatError(ValueError):
    """A file that cannot be read: says where, what was found, and what to do.

    name (str): The file as messages call it.
    message (str): What was found, what was expected, what to do.
    line (int): Line in the file, counted from 1; 0 if no line can be named.
    advice (Sequence[Advice]): Settings, each of which would read the file otherwise; the
        message ends with them.
    """

    def __init__(
        self, name: str, message: str, *, line: int = 0, advice: Sequence[Advice] = ()
    ) -> None:
        """Put the place before the message, and the advice after it."""
        self.name = name
        self.line = line
        self.text = message
        self.advice = tuple(advice)
        self.place = f"line {line}" if line else name
        place = f"{name}, line {line}" if line else name
        if len(message) > _LONGEST:
            message = message[:_LONGEST] + " …"
        options = " or ".join(format_advice(item) for item in self.advice)
        super().__init__(f"{place}: {message}" + (f" Set {options}." if options else ""))


def format_advice(advice: Advice) -> str:
    """Write settings as messages do, so that the command line can name its flags.

    EXAMPLE:
        >>> format_advice({"word_column": 2, "encoding": "cp1251"})
        '`word_column = 2` with `encoding = "cp1251"`'
    """
    pairs = ((name, json.dumps(value, ensure_ascii=False)) for name, value in advice.items())
    return " with ".join(f"`{name} = {value}`" for name, value in pairs)


def count_things(n: int, name: str) -> str:
    """RETURNS (str): A number and a noun that agrees with it: `1 word`, `2 words`."""
    return f"{n:,} {name}" + "s" * (n != 1)


@dataclass
class Note:
    """One kind of finding: how often, and the first few places."""

    text: str
    count: int = 0
    places: list[str] = field(default_factory=list)


class Notes:
    """Findings by kind: all are counted, the first few keep their place.

    most (int): Places to keep of each kind.
    """

    def __init__(self, *, most: int = 5) -> None:
        """Start with nothing found."""
        self.most = most
        self.kinds: dict[str, Note] = {}

    def add(self, kind: str, text: str, place: str = "", *, count: int = 1) -> None:
        """Count a finding.

        kind (str): A short name that stays the same for this kind of finding.
        text (str): What the report says of this kind.
        place (str): `file:line` and what stood there.
        count (int): How many at once.
        """
        note = self.kinds.setdefault(kind, Note(text))
        note.count += count
        if place and len(note.places) < self.most:
            note.places.append(place)

    def merge(self, other: "Notes") -> None:
        """Take in the findings of another run."""
        for kind, note in other.kinds.items():
            self.add(kind, note.text, count=note.count)
            mine = self.kinds[kind].places
            mine.extend(note.places[: self.most - len(mine)])

    def count(self, kind: str) -> int:
        """RETURNS (int): How often a kind was found."""
        return self.kinds[kind].count if kind in self.kinds else 0

    def describe(self) -> str:
        """RETURNS (str): All findings in one line, with a place each."""
        return "; ".join(
            f"{note.count:,} × {note.text}" + (f" ({note.places[0]})" if note.places else "")
            for note in self.kinds.values()
        )
