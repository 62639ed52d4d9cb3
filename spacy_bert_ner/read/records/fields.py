"""JSON values of unknown form → checked fields, or an error with its place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..bytes.source import Source
from ..sentence import FormatError, Notes

_HALF_PAIR = re.compile("[\ud800-\udfff]")

CharSpan = tuple[int, int, str]
"""Start character, end character (exclusive), label."""


@dataclass(frozen=True)
class Fields:
    """One JSON value and its place, with checks of its form.

    source (Source): The file.
    number (int): The value's line, or its number in a JSON list, counted from 1.
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
            raise self.error(
                f"{describe_kind(self.value)}, expected an object. Export the data again."
            )
        return self.value.get(key)

    def text(self, key: str) -> str:
        """RETURNS (str): The text under a key.

        RAISES (FormatError): If it is missing, is not a text, or has half a surrogate pair.
        """
        text = self.get(key)
        if not isinstance(text, str):
            raise self.error(
                f"{describe_kind(text)} as '{key}', expected a text. Export the data again."
            )
        self.check_pairs(text, key)
        return text

    def check_pairs(self, text: str, key: str) -> None:
        """Refuse a text with half a surrogate pair, which no file can hold.

        RAISES (FormatError): Names the key.
        """
        if not text.isascii() and _HALF_PAIR.search(text):
            raise self.error(f"half a surrogate pair in '{key}', expected Unicode. Fix the text.")

    def items(self, key: str) -> list[Any]:
        """RETURNS (list): The list under a key; empty if the key is missing."""
        items = self.get(key)
        if isinstance(items, str):
            raise self.inner(items).not_spans()
        if items is not None and not isinstance(items, list):
            raise self.error(
                f"{describe_kind(items)} as '{key}', expected a list. Export the data again."
            )
        return items or []

    def borders(self, start: str = "start", end: str = "end") -> tuple[int, int]:
        """RETURNS (tuple[int, int]): Two character offsets, the smaller one first."""
        first, last = self.get(start), self.get(end)
        if type(first) is not int or type(last) is not int or not 0 <= first <= last:
            raise self.error(
                f"offsets {start}={first!r}, {end}={last!r}, expected whole numbers from 0 "
                "upwards. Export the data again."
            )
        return first, last

    def mapping(self) -> Mapping[str, Any]:
        """RETURNS (Mapping): The value, which must be an object."""
        self.get("")
        return self.value

    def label(self, key: str = "label") -> str:
        """RETURNS (str): The label under a key, without surrounding blanks."""
        found = self.get(key)
        if not isinstance(found, str) or not found.strip():
            raise self.error(
                f"{describe_kind(found)} as '{key}', expected the name of a label. Export the data "
                "again, with names."
            )
        self.check_pairs(found, key)
        return found.strip()

    def labels(self, labels: list[Any], notes: Notes) -> str:
        """RETURNS (str): A region's first label, or ""; further labels are noted."""
        names = [self.inner({"label": label}).label() for label in labels if label]
        if not names:
            notes.add("no-label", "regions without a label, left out", self.place)
            return ""
        if len(names) > 1:
            place = f"{self.place} {names[0]} kept, {', '.join(names[1:])} lost"
            text = "regions with several labels: the first one counts"
            notes.add("several-labels", text, place, count=len(names) - 1)
        return names[0]

    def span(self, start: str = "start", end: str = "end", label: str = "label") -> CharSpan:
        """RETURNS (CharSpan): An object with two offsets and a label."""
        found = self.label(label)
        return (*self.borders(start, end), found)

    def not_spans(self) -> FormatError:
        """RETURNS (FormatError): An error for a text where spans are expected."""
        return self.error(
            f"'{self.value[:40]}' as a label of the whole text, expected spans: [start, end, "
            "label]. This is an export of a classification or translation project: export one in "
            "which spans of the text are labelled."
        )

    def triple(self, text: str = "") -> CharSpan:
        """Read a list of two offsets and a label; the label may come first.

        text (str): The record's text: what the span covers is not its label.
        RETURNS (CharSpan): The span.
        """
        if isinstance(self.value, str):
            raise self.not_spans()
        if not isinstance(self.value, list) or len(self.value) < 3:
            raise self.error(
                f"{describe_kind(self.value)}, expected [start, end, label]. Add what is missing."
            )
        start, end, label = self.value[:3]
        if isinstance(start, str):
            start, end, label = end, label, start
        others = [item for item in self.value[2:] if isinstance(item, str) and item != label]
        if others and type(start) is type(end) is int and label == text[start:end]:
            label = others[0]
        return self.inner({"start": start, "end": end, "label": label}).span()


def describe_kind(value: Any) -> str:
    """RETURNS (str): What a value is, in words that fit into a message."""
    names = {str: "a text", list: "a list", dict: "an object", type(None): "nothing"}
    return names.get(type(value), f"{value!r:.40}")
