"""Words, spaces and spans → a `.spacy` file, streamed: spaCy's `DocBin`, never all in memory."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy
import srsly
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH, SENT_START
from spacy.strings import get_string_id

from .labels import Span

_ATTRS = [ORTH, ENT_IOB, ENT_TYPE, SENT_START]
_INSIDE, _OUTSIDE, _BEGIN = 1, 2, 3  # Token.ent_iob
_NOT_A_START = 2**64 - 1  # Token.is_sent_start -1, as DocBin stores it
_FLUSH = 16_384  # tokens


class DocBinWriter:
    """Write one `.spacy` file, doc by doc, as `DocBin(attrs=[...]).to_disk` would.

    The format is the one in `DocBin`'s docstring: zlib over one msgpack map. Only its
    order of keys is ours, so that the token data can be written as they come; memory
    is one byte a token. The file appears under its name once it is whole.

    path (Path): The file to write.
    n_tokens (int): Tokens that will be added in all: msgpack wants it first.
    """

    def __init__(self, path: Path, *, n_tokens: int) -> None:
        """Open the file and write up to the token data."""
        self.path = path
        self.n_tokens = n_tokens
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("wb")
        self._zlib = zlib.compressobj()
        self._ids: dict[str, int] = {"": 0}
        self._rows: list[tuple[int, int, int, int]] = []
        self._spaces = bytearray()
        self._lengths: list[int] = []
        size = n_tokens * len(_ATTRS) * 8
        if size >= 2**32:
            raise ValueError(
                f"{path.name}: {n_tokens:,} tokens, a .spacy file holds at most "
                f"{2**32 // (len(_ATTRS) * 8):,}. Convert the input in several pieces."
            )
        self._write(b"\x89")  # a map of 9
        self._write(_pack("tokens") + b"\xc6" + struct.pack(">I", size))

    def add(
        self, words: Sequence[str], spaces: Sequence[bool], spans: Sequence[Span], starts: set[int]
    ) -> None:
        """Add a doc.

        words (Sequence[str]): Its tokens.
        spaces (Sequence[bool]): Whether a blank follows each.
        spans (Sequence[Span]): Its entities.
        starts (set[int]): Tokens that start a sentence.
        """
        ids = self._ids
        iob, types = [_OUTSIDE] * len(words), [0] * len(words)
        for start, end, label in spans:
            iob[start:end] = [_INSIDE] * (end - start)
            iob[start] = _BEGIN
            types[start:end] = [self._id(label)] * (end - start)
        for word in words:
            if word not in ids:
                self._id(word)
        orths = [ids[word] for word in words]
        sent_starts = [1 if i in starts else _NOT_A_START for i in range(len(words))]
        self._rows.extend(zip(orths, iob, types, sent_starts))
        self._spaces.extend(spaces)
        self._lengths.append(len(words))
        if len(self._rows) >= _FLUSH:
            self._flush()

    def close(self) -> None:
        """Write the rest and give the file its name."""
        self._flush()
        assert len(self._spaces) == self.n_tokens, (len(self._spaces), self.n_tokens)
        n_docs = len(self._lengths)
        lengths = numpy.asarray(self._lengths, dtype="int32").tobytes()
        self._write(_pack("spaces") + _pack(bytes(self._spaces)))
        self._write(_pack("lengths") + _pack(lengths))
        self._write(_pack("version") + _pack("0.1"))
        self._write(_pack("attrs") + _pack(_ATTRS))
        self._write(_pack("strings") + _pack(sorted(self._ids)))
        self._write(_pack("cats") + _pack([{}] * n_docs))
        self._write(_pack("flags") + _pack([{"has_unknown_spaces": False}] * n_docs))
        self._write(_pack("span_groups") + _pack([b"\x90"] * n_docs))
        self._file.write(self._zlib.flush())
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Give up: leave no file behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _id(self, string: str) -> int:
        if string not in self._ids:
            self._ids[string] = get_string_id(string)
        return self._ids[string]

    def _flush(self) -> None:
        self._write(numpy.asarray(self._rows, dtype="uint64").tobytes())
        self._rows = []

    def _write(self, data: bytes) -> None:
        self._file.write(self._zlib.compress(data))


def _pack(value: object) -> bytes:
    return srsly.msgpack_dumps(value)
