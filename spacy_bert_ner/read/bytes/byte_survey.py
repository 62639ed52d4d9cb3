"""The bytes of a file, once → its hash, its lines, and whether it is UTF-8."""

import codecs
import hashlib
import re

from ..sentence import FormatError

REPLACING = "utf-8-replace"
"""An encoding setting: UTF-8, with U+FFFD for each byte that is none."""

_ASCII = bytes(range(128))
_ESCAPED = re.compile(r"[\udc80-\udcff]")
_MOST_LINES = 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ByteSurvey:
    """One pass over the bytes of a file in chunks of any size; nothing is kept.

    name (str): The file, for messages.
    forced (str | None): The encoding that it must have; None to find out.
    """

    def __init__(self, name: str, forced: str | None) -> None:
        """Start with nothing seen."""
        self.name = name
        self.decoder = codecs.getincrementaldecoder(forced or "utf-8")(
            "strict" if forced else "surrogateescape"
        )
        self.forced = forced
        self.digest = hashlib.sha256()
        self.size = 0
        self.lines = 0
        self.last = b""
        self.n_non_ascii = 0
        self.high: set[int] = set()  # the distinct bytes above 127
        self.longest_line = self._open_line = 0
        self.n_multibyte = 0  # characters that are UTF-8 of two bytes or more
        self.n_invalid = 0  # bytes that are not UTF-8
        self.invalid_lines: list[int] = []

    def add(self, chunk: bytes, *, is_text: bool) -> None:
        """Take in the next chunk.

        RAISES (FormatError): If it cannot be text.
        """
        self.digest.update(chunk)
        if not chunk.isascii():
            high = chunk.translate(None, _ASCII)
            self.n_non_ascii += len(high)
            self.high.update(high)
        if is_text:
            self._add_text(chunk)
        self.size += len(chunk)
        self.lines += chunk.count(b"\n")
        self.last = chunk.rstrip(b"\0")[-1:] or self.last  # UTF-16 ends in a NUL byte

    def _add_text(self, chunk: bytes) -> None:
        self._measure_lines(chunk)
        if self.forced:
            self.decode_forced(chunk)
            return
        if b"\x1b$" in chunk:
            raise FormatError(
                self.name,
                "escape sequences of ISO-2022 text, expected UTF-8. Set its encoding.",
                line=self._line_of(chunk, chunk.index(b"\x1b$")),
                advice=[{"encoding": "iso2022_jp_2"}, {"encoding": "iso2022_kr"}],
            )
        if b"\0" in chunk:
            self._refuse_nul(chunk)
        if not chunk.isascii() or self.decoder.getstate()[0]:
            self._count_utf8(chunk)

    def decode_forced(self, chunk: bytes, *, final: bool = False) -> None:
        """Check that a chunk has the forced encoding.

        RAISES (FormatError): If not.
        """
        try:
            self.decoder.decode(chunk, final)
        except UnicodeError as err:
            line = 1  # UTF-16 without its mark
            if isinstance(err, UnicodeDecodeError):
                line = self._line_of(err.object, err.start)
            raise FormatError(
                self.name,
                f"not {self.forced}: {getattr(err, 'reason', err)}. Leave `encoding` out to have "
                "it recognised.",
                line=line,
            ) from err

    def has_encoding(self, codec: str) -> bool:
        """Whether each byte is a character of an encoding, so that all of them together are."""
        try:
            return all(bytes((byte,)).decode(codec) for byte in self.high)
        except UnicodeDecodeError:
            return False

    def find_fault(self) -> FormatError | None:
        """RETURNS (FormatError | None): What is wrong with a file that is mostly UTF-8."""
        if self.n_invalid and self.n_multibyte > self.n_invalid:
            lines = self.invalid_lines
            listed = ", ".join(map(str, lines[:_MOST_LINES])) + (
                " …" if lines[_MOST_LINES:] else ""
            )
            return FormatError(
                self.name,
                f"{self.n_invalid:,} bytes are not UTF-8, {self.n_multibyte:,} characters are: "
                f"mixed or damaged text in line {listed}. Fix the lines, or have such bytes read "
                "as \ufffd.",
                line=lines[0],
                advice=[{"encoding": REPLACING}],
            )
        if not self.n_invalid and self.decoder.getstate()[0]:
            return FormatError(
                self.name,
                "the file ends within a UTF-8 character: it was cut. Fetch it again, or, if it is "
                "whole and not UTF-8, set its `encoding`.",
                line=self.lines + 1,
            )
        return None

    def _refuse_nul(self, chunk: bytes) -> None:
        # of UTF-16, every other byte of Latin text is NUL
        for codec in ("utf-16-le", "utf-16-be"):
            text = chunk[: len(chunk) & ~1].decode(codec, "replace")
            n_latin = sum(char < "\u0250" and char != "\0" for char in text)
            if not self.size and n_latin > 0.5 * len(text):
                raise FormatError(
                    self.name,
                    "text in UTF-16, expected UTF-8. Convert it (iconv -f utf-16 -t utf-8 IN > "
                    "OUT), or set its encoding.",
                    advice=[{"encoding": "utf-16" if chunk[:2] in _UTF16_MARKS else codec}],
                )
        raise FormatError(
            self.name,
            "a NUL byte, expected text. The file is binary data or damaged: export it as text.",
            line=self._line_of(chunk, chunk.index(0)),
        )

    def _measure_lines(self, chunk: bytes) -> None:
        # a line that ends in a chunk of 64 kB is no long line
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._open_line = self._open_line + len(chunk) if end < 0 else len(chunk) - 1 - end
        self.longest_line = max(self.longest_line, self._open_line)

    def _count_utf8(self, chunk: bytes) -> None:
        n_open = len(self.decoder.getstate()[0])
        text = self.decoder.decode(chunk)
        n_read = n_open + len(chunk) - len(self.decoder.getstate()[0])
        escaped = n_read - len(text.encode("utf-8", "ignore"))
        n_ascii = len(chunk) - len(chunk.translate(None, _ASCII))
        self.n_multibyte += len(text) - n_ascii - escaped
        self.n_invalid += escaped
        if escaped and len(self.invalid_lines) <= _MOST_LINES:
            for number, line in enumerate(text.split("\n"), start=self.lines + 1):
                if not line.isascii() and _ESCAPED.search(line):
                    self.invalid_lines.append(number)

    def _line_of(self, chunk: bytes, position: int) -> int:
        return self.lines + chunk.count(b"\n", 0, position) + 1
