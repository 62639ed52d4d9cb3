"""What reading gives: sentences with their places, the findings, and one kind of error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Sentence(NamedTuple):
    """Words and tags of one sentence, with where they stand in their file.

    words (list[str]): The raw units of the file.
    tags (list[str]): One well-formed tag per word, in the file's own scheme.
    lines (Sequence[int]): The file's line of each word, counted from 1.
    document (int): Number of the document in the file, counted from 0.
    spaces (list[bool] | None): Whether a blank follows each word, where the file knows.
    """

    words: list[str]
    tags: list[str]
    lines: Sequence[int]
    document: int = 0
    spaces: list[bool] | None = None


class FormatError(ValueError):
    """A file that cannot be read as it stands: says where, what, and what to do.

    name (str): The file as the user gave it.
    message (str): What was found, what was expected, what to do.
    line (int): Line in the file, counted from 1; 0 if no line can be named.
    """

    def __init__(self, name: str, message: str, *, line: int = 0) -> None:
        """Put the place before the message."""
        place = f"{name}, line {line}" if line else name
        super().__init__(f"{place}: {message}")
        self.name = name
        self.line = line


@dataclass
class Note:
    """One kind of finding: how often, and the first few places."""

    text: str
    count: int = 0
    places: list[str] = field(default_factory=list)


class Notes:
    """Findings of one run, by kind: all are counted, the first few keep their place.

    most (int): Places to keep of each kind.
    """

    def __init__(self, *, most: int = 5) -> None:
        """Start with nothing found."""
        self.most = most
        self.kinds: dict[str, Note] = {}

    def add(self, kind: str, text: str, place: str = "", *, count: int = 1) -> None:
        """Count a finding.

        kind (str): A short name that stays the same for this kind of finding.
        text (str): The sentence that the report shows for this kind.
        place (str): `file:line` and what stood there.
        count (int): How many at once.
        """
        note = self.kinds.setdefault(kind, Note(text))
        note.count += count
        if place and len(note.places) < self.most:
            note.places.append(place)

    def count(self, kind: str) -> int:
        """How often a kind was found."""
        return self.kinds[kind].count if kind in self.kinds else 0
