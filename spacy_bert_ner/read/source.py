"""A file as the user names it → what its bytes are → lines of text."""

import codecs
import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from .packed import find_member, open_packed
from .sentence import FormatError

_CHUNK = 1 << 16
_NOT_CP1252 = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])
_ASCII = bytes(range(128))
BINARY_STARTS = (
    b"PAR1",
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
    b"%PDF",
    b"ARROW1",
    b"\xff\xff\xff\xff",
)
"""First bytes of files that are not text: Parquet, zip (Excel), old Excel, PDF, Arrow (twice)."""
_NON_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True)
class Source:
    """One input file (or member of a zip) and what a first pass over its bytes found.

    path (Path): The file on disk.
    member (str): Its member, if the file is a zip, else "".
    size (int): Bytes, unpacked.
    sha256 (str): Of the bytes, unpacked.
    encoding (str): The encoding of the text; "binary" for what is no text (DocBin,
        Parquet, Excel, …), "folder" for a folder.
    n_non_ascii (int): Bytes above 127.
    ends_in_newline (bool): Whether the last line is a whole one.
    longest_line (int): Bytes of the longest line.
    first_bytes (bytes): The first bytes: a binary format is recognised by them.
    """

    path: Path
    member: str
    size: int
    sha256: str
    encoding: str
    n_non_ascii: int
    ends_in_newline: bool
    longest_line: int
    first_bytes: bytes

    @property
    def name(self) -> str:
        """The file as messages call it."""
        return f"{self.path.name}:{self.member}" if self.member else self.path.name

    @property
    def suffix(self) -> str:
        """The type that the name says, lower case, without the packing."""
        path = Path(self.member) if self.member else self.path
        return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()

    @contextmanager
    def open_bytes(self) -> Iterator[BinaryIO]:
        """Open the unpacked bytes."""
        with open_packed(self.path, self.member) as stream:
            yield stream

    @contextmanager
    def open_text(self, *, newline: str | None = None) -> Iterator[io.TextIOWrapper]:
        """Open the text: LF, CRLF and CR end a line, a byte order mark is removed.

        newline (str | None): "" leaves line ends as they are (for `csv`).
        """
        if self.encoding in ("binary", "folder"):
            kind = {"binary": "binary data", "folder": "a folder"}[self.encoding]
            raise FormatError(self.name, f"{kind}, expected a text file.")
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        with self.open_bytes() as stream:
            yield io.TextIOWrapper(stream, encoding=encoding, newline=newline)


def open_source(location: str | Path, *, encoding: str | None = None) -> Source:
    """Look at a file's bytes once: hash, encoding, line end.

    location (str | Path): A file, plain, `.gz` or `.zip`; `file.zip:member` names one
        of several members (the last part of its name is enough).
    encoding (str | None): Force an encoding; by default UTF-8, then cp1252.
    RETURNS (Source): The file, ready to be read.
    RAISES (FileNotFoundError): If it is missing.
    RAISES (FormatError): If it is damaged, in UTF-16, in no encoding that we know, cut
        within a character, or holds NUL bytes.
    """
    path, member = find_member(str(location))
    if path.is_dir():
        return _survey_folder(path)
    name = f"{path.name}:{member}" if member else path.name
    is_binary = Path(member or path).name.removesuffix(".gz").endswith(".spacy")
    survey = _ByteSurvey(name, encoding)
    with open_packed(path, member) as stream:
        first = stream.read(_CHUNK)
        is_binary = is_binary or first.startswith(BINARY_STARTS)
        for chunk in chain([first], iter(partial(stream.read, _CHUNK), b"")):
            survey.add(chunk, is_text=not is_binary)
    return Source(
        path=path,
        member=member,
        size=survey.size,
        sha256=survey.digest.hexdigest(),
        encoding="binary" if is_binary else survey.choose_encoding(),
        n_non_ascii=survey.n_non_ascii,
        ends_in_newline=survey.last in (b"", b"\n", b"\r"),
        longest_line=survey.longest_line,
        first_bytes=first[:16],
    )


def _survey_folder(path: Path) -> Source:
    # one hash over the names and contents of its files
    digest, size = hashlib.sha256(), 0
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
    return Source(
        path=path,
        member="",
        size=size,
        sha256=digest.hexdigest(),
        encoding="folder",
        n_non_ascii=0,
        ends_in_newline=True,
        longest_line=0,
        first_bytes=b"",
    )


class _ByteSurvey:
    # one pass over the bytes in chunks of any size, nothing kept

    def __init__(self, name: str, forced: str | None) -> None:
        self.name = name
        self.forced = _check_codec(name, forced) if forced else None
        self.decoder = codecs.getincrementaldecoder(self.forced or "utf-8")(
            "strict" if forced else "surrogateescape"
        )
        self.digest = hashlib.sha256()
        self.size = 0
        self.lines = 0
        self.last = b""
        self.n_non_ascii = 0
        self.longest_line = self._open_line = 0
        self.n_multibyte = 0  # characters that are UTF-8 of two bytes or more
        self.n_invalid = 0  # bytes that are not UTF-8
        self.invalid_line = 0
        self.undefined_line = 0  # of the first byte that cp1252 does not know

    def add(self, chunk: bytes, *, is_text: bool) -> None:
        if is_text and not self.forced:
            self._refuse_utf16_and_nul(chunk)
        self.digest.update(chunk)
        if is_text and self.forced:
            self._decode_forced(chunk)
        if not chunk.isascii():
            self.n_non_ascii += len(chunk.translate(None, _ASCII))
        if is_text and not self.forced and (not chunk.isascii() or self.decoder.getstate()[0]):
            self._count_utf8(chunk)
        if is_text:
            self._measure_lines(chunk)
        self.size += len(chunk)
        self.lines += chunk.count(b"\n")
        self.last = chunk.rstrip(b"\0")[-1:] or self.last  # UTF-16 ends in a NUL byte

    def choose_encoding(self) -> str:
        if self.forced:
            self._decode_forced(b"", final=True)
            return self.forced
        if self.decoder.getstate()[0] and not self.n_invalid:
            raise FormatError(
                self.name,
                "the file ends within a UTF-8 character: it was cut. Fetch it again; if it is "
                "whole and not UTF-8, name its encoding (--encoding cp1252).",
                line=self.lines + 1,
            )
        if not self.n_invalid:
            return "utf-8"
        if self.n_multibyte > self.n_invalid:
            raise FormatError(
                self.name,
                f"{self.n_invalid} bytes are not UTF-8, {self.n_multibyte} characters are: mixed "
                "or damaged text. Mend the line, or name the encoding (--encoding cp1252).",
                line=self.invalid_line,
            )
        if self.undefined_line:
            raise FormatError(
                self.name,
                "neither UTF-8 nor cp1252. Name the encoding with --encoding, or convert the file: "
                "iconv -f ENCODING -t utf-8.",
                line=self.undefined_line,
            )
        return "cp1252"

    def _refuse_utf16_and_nul(self, chunk: bytes) -> None:
        starts_utf16 = not self.size and chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        n_nul = chunk.count(0)
        if starts_utf16 or n_nul * 4 > len(chunk):
            raise FormatError(
                self.name,
                "text in UTF-16, expected UTF-8 or cp1252. Convert it: "
                "iconv -f utf-16 -t utf-8 IN > OUT, or force --encoding utf-16.",
            )
        if n_nul:
            raise FormatError(
                self.name,
                "NUL byte, expected text. The file is damaged or no text file.",
                line=self._line_of(chunk, chunk.index(0)),
            )

    def _decode_forced(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            self.decoder.decode(chunk, final)
        except UnicodeDecodeError as err:
            raise FormatError(
                self.name,
                f"not {self.forced}: {err.reason}. Leave --encoding out to have it recognised.",
                line=self._line_of(err.object, err.start),
            ) from err

    def _measure_lines(self, chunk: bytes) -> None:
        # a line that ends in a chunk of 64 kB is no long line
        end = chunk.rfind(b"\n")
        if end < 0 and b"\r" not in chunk:
            self._open_line += len(chunk)
        else:
            self._open_line = len(chunk) - 1 - max(end, chunk.rfind(b"\r"))
        self.longest_line = max(self.longest_line, self._open_line)

    def _count_utf8(self, chunk: bytes) -> None:
        text = self.decoder.decode(chunk)
        found = list(_NON_ASCII.finditer(text))
        escaped = [match.start() for match in found if "\udc80" <= match[0] <= "\udcff"]
        self.n_invalid += len(escaped)
        self.n_multibyte += len(found) - len(escaped)
        if escaped and not self.invalid_line:
            self.invalid_line = self.lines + text.count("\n", 0, escaped[0]) + 1
        if not self.undefined_line:
            places = [at for byte in _NOT_CP1252 if (at := chunk.find(byte)) >= 0]
            self.undefined_line = self._line_of(chunk, min(places)) if places else 0

    def _line_of(self, chunk: bytes, position: int) -> int:
        return self.lines + chunk.count(b"\n", 0, position) + 1


def _check_codec(name: str, encoding: str) -> str:
    try:
        # refuses, unlike codecs.lookup, what is no text encoding
        return codecs.lookup(io.TextIOWrapper(io.BytesIO(), encoding=encoding).encoding).name
    except LookupError as err:
        raise FormatError(
            name,
            f"--encoding {encoding} is no text encoding that Python knows, expected one such as "
            "utf-8 or cp1252.",
        ) from err


def split_at_blanks(text: str) -> list[str]:
    """Split at runs of blanks and tabs, and at no other white space.

    EXAMPLE:
        >>> split_at_blanks(" 5\\xa0km \\tO ")
        ['5\\xa0km', 'O']
    """
    cells = text.replace("\t", " ").split(" ")
    return [cell for cell in cells if cell] if "" in cells else cells
