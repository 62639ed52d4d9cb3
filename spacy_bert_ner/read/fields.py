"""JSON values of unknown form → checked fields, wrong ones told with their place."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .sentence import FormatError
from .source import Source

CharSpan = tuple[int, int, str]
"""Start character, end character (exclusive), label."""


@dataclass(frozen=True)
class Fields:
    """One JSON value and its place, with checks for what is expected of it.

    source (Source): The file.
    number (int): Line of the value, or its number in a JSON list, from 1.
    value (Any): The value.
    is_line (bool): Whether the number is a line.
    """

    source: Source
    number: int
    value: Any
    is_line: bool = True

    @property
    def place(self) -> str:
        """RETURNS (str): `file:line`, or `file#record`."""
        return f"{self.source.name}{':' if self.is_line else '#'}{self.number}"

    def error(self, message: str) -> FormatError:
        """RETURNS (FormatError): An error with this place."""
        if self.is_line:
            return FormatError(self.source.name, message, line=self.number)
        return FormatError(f"{self.source.name}, record {self.number}", message)

    def inner(self, value: Any) -> "Fields":
        """RETURNS (Fields): Another value at the same place."""
        return Fields(self.source, self.number, value, self.is_line)

    def get(self, key: str) -> Any:
        """RETURNS (Any): The value under a key; None if it is missing."""
        if not isinstance(self.value, Mapping):
            raise self.error(f"{_kind(self.value)}, expected an object. Export the data anew.")
        return self.value.get(key)

    def text(self, key: str) -> str:
        """RETURNS (str): The text under a key.

        RAISES (FormatError): If it is missing, no text, or holds half a surrogate pair.
        """
        text = self.get(key)
        if not isinstance(text, str):
            raise self.error(f"{_kind(text)} as '{key}', expected a text. Export the data anew.")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise self.error(f"half a surrogate pair in '{key}', expected Unicode. Mend the text.")
        return text

    def items(self, key: str) -> list[Any]:
        """RETURNS (list): The list under a key; empty if the key is missing."""
        items = self.get(key)
        if items is not None and not isinstance(items, list):
            raise self.error(f"{_kind(items)} as '{key}', expected a list. Export the data anew.")
        return items or []

    def borders(self, start: str = "start", end: str = "end") -> tuple[int, int]:
        """RETURNS (tuple[int, int]): A pair of character offsets, first before second."""
        first, last = self.get(start), self.get(end)
        if type(first) is not int or type(last) is not int or not 0 <= first <= last:
            raise self.error(
                f"offsets {start}={first!r}, {end}={last!r}, expected whole numbers from 0 "
                "upwards. Export the data anew."
            )
        return first, last

    def span(self, start: str = "start", end: str = "end", label: str = "label") -> CharSpan:
        """RETURNS (CharSpan): An object with two offsets and a label."""
        found = self.get(label)
        if not isinstance(found, str) or not found.strip():
            raise self.error(f"{_kind(found)} as '{label}', expected a label. Export anew.")
        return (*self.borders(start, end), found.strip())

    def triple(self) -> CharSpan:
        """RETURNS (CharSpan): A list of two offsets and a label."""
        if not isinstance(self.value, list) or len(self.value) < 3:
            raise self.error(f"{_kind(self.value)}, expected [start, end, label]. Export anew.")
        return self.inner(dict(zip(("start", "end", "label"), self.value, strict=False))).span()


def read_json_lines(source: Source) -> Iterator[Fields]:
    """Read one JSON value a line; blank lines are passed over.

    YIELDS (Fields): The values.
    RAISES (FormatError): At the first line that is no JSON.
    """
    with source.open_text() as file:
        for number, line in enumerate(file, start=1):
            if not line.isspace():
                yield Fields(source, number, _load(source, line, number))


def read_json_list(source: Source) -> Iterator[Fields]:
    """Read the items of one JSON list; the whole file is in memory.

    YIELDS (Fields): The items.
    RAISES (FormatError): If the file is no JSON list.
    """
    with source.open_text() as file:
        items = _load(source, file.read(), 1)
    if not isinstance(items, list):
        raise FormatError(
            source.name, f"{_kind(items)}, expected a JSON list of tasks. Export the data anew."
        )
    for number, item in enumerate(items, start=1):
        yield Fields(source, number, item, is_line=False)


def _load(source: Source, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as err:
        at = line + err.lineno - 1 if isinstance(err, json.JSONDecodeError) else line
        raise FormatError(
            source.name,
            f"broken JSON ({str(err).partition(':')[0]}). Export it anew; the file may be cut.",
            line=at,
        ) from err


def _kind(value: Any) -> str:
    names = {str: "a text", list: "a list", dict: "an object", type(None): "nothing"}
    return names.get(type(value), f"{value!r:.40}")
