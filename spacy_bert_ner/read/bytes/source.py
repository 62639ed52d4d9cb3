"""A file as the user names it → what its bytes are → lines of text."""

import codecs
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ...targets import check_inputs
from ..sentence import FormatError
from .byte_survey import REPLACING, ByteSurvey
from .encodings import BAR, collect_words, guess_encoding
from .packed import PACKED_SUFFIXES, find_member, open_packed

_CHUNK = 1 << 16
_PIECE = 1 << 10  # most pieces of a text that is nearly ASCII are ASCII
BINARY_STARTS = (
    b"PAR1",
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
    b"%PDF",
    b"ARROW1",
    b"\xff\xff\xff\xff",
)
"""First bytes of files that are not text: Parquet, zip (Excel), old Excel, PDF, Arrow (twice)."""


@dataclass(frozen=True)
class Source:
    """One input file (or member of a zip) and what a first pass over its bytes found.

    path (Path): The file on disk.
    member (str): Its member, if the file is a zip, else "".
    size (int): Bytes, unpacked.
    sha256 (str): Of the bytes, unpacked.
    encoding (str): The encoding of the text; "binary" for files that are not text (DocBin,
        Parquet, Excel, …), "folder" for a folder.
    n_non_ascii (int): Bytes above 127.
    ends_in_newline (bool): Whether the last line has a line end.
    longest_line (int): Bytes of the longest line.
    first_bytes (bytes): The first bytes: a binary format is recognised by them.
    how (str): How the encoding was chosen, if it was guessed.
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
    how: str = ""

    @property
    def name(self) -> str:
        """The name of the file in messages."""
        return f"{self.path.name}:{self.member}" if self.member else self.path.name

    @property
    def suffix(self) -> str:
        """The type by the file's name, in lower case, without that of its packing."""
        return find_suffix(self.member or self.path.name)

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
            raise FormatError(self.name, f"{kind}, expected a text file. Leave `format` out.")
        is_replacing = self.encoding == REPLACING
        encoding = "utf-8-sig" if self.encoding in ("utf-8", REPLACING) else self.encoding
        errors = "replace" if is_replacing else "strict"
        with self.open_bytes() as stream:
            yield io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline=newline)


def open_source(location: str | Path, *, encoding: str | None = None, lang: str = "en") -> Source:
    """Read a file's bytes once to find its hash, encoding and line ends.

    location (str | Path): A file, plain, packed (`.gz`, `.bz2`, `.xz`, `.zst`) or in a
        `.zip`; `file.zip:member` names one of several members (the last part of its
        name is enough). Or a folder.
    encoding (str | None): Force an encoding; by default UTF-8, else one that fits the
        language. `REPLACING` reads UTF-8, with U+FFFD for other bytes.
    lang (str): The language of the text.
    RETURNS (Source): The file, ready to be read.
    RAISES (FileNotFoundError): If it is missing.
    RAISES (ValueError): If it is a pipe, which can be read only once.
    RAISES (FormatError): If it is damaged, in UTF-16, in no encoding that fits the
        language, cut within a character, or holds NUL bytes.
    """
    path, member = find_member(str(location))
    check_inputs([path])
    if path.is_dir():
        return _survey_folder(path)
    name = f"{path.name}:{member}" if member else path.name
    forced = _check_codec(name, encoding) if encoding and encoding != REPLACING else None
    survey = ByteSurvey(name, forced)
    with open_packed(path, member) as stream:
        first = stream.read(_CHUNK)
        is_binary = find_suffix(name) == ".spacy" or first.startswith(BINARY_STARTS)
        for chunk in chain([first], iter(partial(stream.read, _CHUNK), b"")):
            survey.add(chunk, is_text=not is_binary)
    source = Source(
        path=path,
        member=member,
        size=survey.size,
        sha256=survey.digest.hexdigest(),
        encoding="binary" if is_binary else encoding or "utf-8",
        n_non_ascii=survey.n_non_ascii,
        ends_in_newline=survey.last in (b"", b"\n", b"\r"),
        longest_line=survey.longest_line,
        first_bytes=first[:16],
        how=f"{survey.n_invalid:,} bytes that are not UTF-8 are read as \ufffd"
        if encoding == REPLACING
        else "",
    )
    if forced:
        survey.decode_forced(b"", final=True)
        return replace(source, encoding=forced)
    if is_binary or encoding:
        return source
    if fault := survey.find_fault():
        raise fault
    return _guess(source, lang, survey) if survey.n_invalid else source


def find_suffix(name: str) -> str:
    """RETURNS (str): The type by a file's name, in lower case, without that of its packing."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in PACKED_SUFFIXES else path.suffix


def _guess(source: Source, lang: str, survey: ByteSurvey) -> Source:
    with source.open_bytes() as stream:
        words = collect_words(iter(partial(stream.read, _PIECE), b""))
    guesses = guess_encoding(words, lang)
    if guesses and guesses[0].certainty >= BAR and guesses[0].lang == lang:
        best = guesses[0]
        if not survey.has_encoding(best.encoding):
            _check_encoding(source, best.encoding)
        return replace(source, encoding=best.encoding, how=f"not UTF-8, guessed {best}")
    others = [guess for guess in guesses if guess.lang != lang]
    listed = "; ".join(map(str, guesses)) or "none"
    raise FormatError(
        source.name,
        f"not UTF-8, and no encoding fits language {lang} well enough. Best guesses: {listed}. "
        "Set the encoding, and the language if it is another one.",
        advice=[{"encoding": guess.encoding, "lang": guess.lang} for guess in others]
        or [{"encoding": "latin-1"}],
    )


def _check_encoding(source: Source, encoding: str) -> None:
    survey = ByteSurvey(source.name, encoding)
    with source.open_bytes() as stream:
        for chunk in iter(partial(stream.read, _CHUNK), b""):
            survey.decode_forced(chunk)
            survey.lines += chunk.count(b"\n")
    survey.decode_forced(b"", final=True)


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


def _check_codec(name: str, encoding: str) -> str:
    try:
        # unlike codecs.lookup, this refuses codecs that are not text encodings
        return codecs.lookup(io.TextIOWrapper(io.BytesIO(), encoding=encoding).encoding).name
    except LookupError as err:
        raise FormatError(
            name,
            f"`encoding` is '{encoding}', no text encoding that Python knows, expected one such "
            "as utf-8 or cp1252.",
        ) from err
