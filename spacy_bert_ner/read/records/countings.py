"""Offsets as a tool counts them, in UTF-16 units, bytes or otherwise → offsets in characters."""

from typing import NamedTuple

from .fields import CharSpan

_LINE_END = "\uffff"  # stands for "\r\n": no character of a text, and one UTF-16 unit


class Counting(NamedTuple):
    """A way to count the characters of a text.

    name (str): The way, as the report calls it.
    encoding (str): The encoding whose units are counted; "" for characters.
    unit (int): Bytes of one unit.
    joins_lines (bool): Whether "\\r\\n" counts as one character.
    includes_end (bool): Whether the end is the last character, not the one after it.
    """

    name: str
    encoding: str = ""
    unit: int = 1
    joins_lines: bool = False
    includes_end: bool = False

    def differs(self, text: str) -> bool:
        """Whether some offset in a text differs from one in characters."""
        if self.joins_lines and "\r\n" not in text:
            return False
        if self.encoding:
            return not text.isascii() and (self.unit == 1 or has_pairs(text))
        return True

    def to_chars(self, text: str, offset: int) -> int:
        """RETURNS (int): An offset, converted to characters; outside the text it stays so.

        EXAMPLE:
            >>> UTF16.to_chars("😀 Oslo", 3)
            2
        """
        counted = text.replace("\r\n", _LINE_END) if self.joins_lines else text
        n_chars = offset
        if self.encoding:
            data = counted.encode(self.encoding, "surrogatepass")
            n_more = max(offset - len(data) // self.unit, 0)
            data = data[: offset * self.unit]
            n_chars = len(data.decode(self.encoding, "ignore")) + n_more
        return n_chars + counted.count(_LINE_END, 0, n_chars) * self.joins_lines

    def to_char_span(self, text: str, span: CharSpan) -> CharSpan:
        """RETURNS (CharSpan): A span, converted to characters and an exclusive end."""
        start, end, label = span
        return self.to_chars(text, start), self.to_chars(text, end + self.includes_end), label

    def count_cuts(self, text: str, spans: list[CharSpan]) -> int:
        """Count what no annotator chooses, offsets within a character included."""
        n_cuts = count_cuts(text, [self.to_char_span(text, span) for span in spans])
        if self.unit != 1 or not self.encoding:
            return n_cuts
        edges = [edge for start, end, _ in spans for edge in (start, end) if edge]
        return n_cuts + sum(
            self.to_chars(text, edge) == self.to_chars(text, edge - 1) for edge in edges
        )


UTF16 = Counting("UTF-16 units, as in browsers", "utf-16-le", 2)
"""What JavaScript counts: an emoji is two."""

OTHER_COUNTINGS = (
    UTF16,
    Counting("line ends of two characters as one", joins_lines=True),
    Counting("UTF-16 units, and line ends as one", "utf-16-le", 2, joins_lines=True),
    Counting("bytes of UTF-8", "utf-8"),
    Counting("characters up to the last one of a span", includes_end=True),
)
"""How tools count besides characters, the most usual first."""


def chars_to_utf16(text: str, offset: int) -> int:
    """Convert an offset in characters to UTF-16 units: the inverse of `UTF16.to_chars`."""
    return offset + sum(char > "\uffff" for char in text[:offset])


def has_pairs(text: str) -> bool:
    """Whether a text has characters that take two UTF-16 units, such as emoji."""
    return not text.isascii() and max(text) > "\uffff"


def count_cuts(text: str, spans: list[CharSpan]) -> int:
    """Count the starts and ends of spans that no annotator would choose.

    These are outside the text, inside a word, or next to a blank that the span contains.
    """
    n_cuts = 0
    for start, end, _ in spans:
        if end > len(text):
            n_cuts += 2
            continue
        inner = text[start:end]
        for border, edge in ((start, inner[:1]), (end, inner[-1:])):
            around = text[max(border - 1, 0) : border + 1]
            n_cuts += edge.isspace() or (len(around) == 2 and around.isalnum())
    return n_cuts
