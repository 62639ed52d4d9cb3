"""A `.spacy` file, spaCy's DocBin ↔ sentences; written in a stream."""

import struct
import zlib
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import srsly
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH, SENT_START
from spacy.strings import get_string_id
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from .bytes.source import Source
from .sentence import DocData, FormatError, Notes, Sentence, note_missing

_ATTRS = [ORTH, ENT_IOB, ENT_TYPE, SENT_START]
_MISSING, _INSIDE, _OUTSIDE, _BEGIN = 0, 1, 2, 3  # Token.ent_iob
_UNKNOWN_START, _START, _NOT_A_START = 0, 1, 2**64 - 1  # Token.sent_start, unsigned
_NO_GROUPS = b"\x90"  # as spaCy packs a doc without span groups
_FLUSH = 16_384  # tokens
_LEVEL = 3  # of zlib: half the time of its default, for files that are 5 % larger


def read_docbin(source: Source, *, notes: Notes) -> Iterator[Sentence]:
    """Read the docs of a DocBin with their entities and span groups.

    The whole file is in memory. Sentences are those that the docs mark; a doc without
    marks is one text. Tokens whose entity annotation is missing stay so, with a note. Equal
    labels of neighbours are one entity if the file does not say where entities begin.

    source (Source): The file.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences; tags are IOB2, lines are the numbers of the docs.
    RAISES (FormatError): If the file is no DocBin, or cut.
    """
    with source.open_bytes() as file:
        data = file.read()
    try:
        docs = DocBin().from_bytes(data).get_docs(Vocab())
        for number, doc in enumerate(docs, start=1):
            if len(doc):
                yield from doc_to_sentences(doc, number, source, notes)
    except (ValueError, KeyError, TypeError, IndexError, zlib.error) as err:
        raise FormatError(
            source.name,
            f"not a DocBin ({str(err).splitlines()[0]}), expected a file that `DocBin.to_disk` "
            "wrote. Write it again; the file may be cut.",
        ) from err


def doc_to_sentences(doc: Doc, number: int, source: Source, notes: Notes) -> Iterator[Sentence]:
    """Read one doc's sentences.

    doc (Doc): A doc with tokens.
    number (int): Its number in the file.
    source (Source): The file, for notes.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): One for each sentence that is marked, else one for the doc.
    """
    missing = [token.i for token in doc if token.ent_iob == _MISSING and not token.ent_type]
    note_missing(missing, f"{source.name}#{number}", notes)
    if len(missing) == len(doc) and doc.spans:
        text = "docs with span groups and no entities: copy the spans to `doc.ents`"
        notes.add("only-groups", text, f"{source.name}#{number} {', '.join(doc.spans)}")
    is_text = not doc.has_annotation("SENT_START")
    cuts = [0, len(doc)]
    if not is_text:
        starts = [sent.start for sent in doc.sents]
        inside = [i for i in starts if doc[i].ent_iob_ == "I"]
        if inside:
            text = "sentence starts within an entity: the two sentences are joined"
            notes.add("cut-by-sentence", text, f"{source.name}#{number}", count=len(inside))
        cuts = [i for i in starts if i not in inside] + [len(doc)]
    for start, end in pairwise(cuts):
        sent = doc[start:end]
        groups = {
            name: [
                (span.start - start, span.end - start, span.label_)
                for span in group
                if start <= span.start < end
            ]
            for name, group in doc.spans.items()
        }
        yield Sentence(
            [token.text for token in sent],
            [f"{t.ent_iob_ or 'I'}-{t.ent_type_}" if t.ent_type else "O" for t in sent],
            [number] * len(sent),
            number,
            None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in sent],
            is_text,
            [i - start for i in missing if start <= i < end],
            groups,
        )


class _StringIds(dict[str, int]):
    # the strings that were asked for, each with spaCy's id

    def __missing__(self, string: str) -> int:
        self[string] = get_string_id(string)
        return self[string]


class DocBinWriter:
    """Write one `.spacy` file, doc by doc, as `DocBin(attrs=[...]).to_disk` would.

    The format is the one in `DocBin`'s docstring: zlib over one msgpack map. Only its
    order of keys is ours, so that the token data can be written as they come; memory
    is one byte a token. The file appears under its name once it is whole.

    path (Path): The file to write.
    n_tokens (int): Tokens that will be added in all: msgpack wants it first.
    RAISES (ValueError): If msgpack cannot hold so many.
    """

    def __init__(self, path: Path, *, n_tokens: int) -> None:
        """Open the file and write up to the token data."""
        size = n_tokens * len(_ATTRS) * 8
        if size >= 2**32:
            raise ValueError(
                f"{path.name}: {n_tokens:,} tokens, expected at most "
                f"{2**32 // (len(_ATTRS) * 8):,}. Convert the input in several pieces."
            )
        self.path = path
        self.n_tokens = n_tokens
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("wb")
        self._zlib = zlib.compressobj(_LEVEL)
        self._ids = _StringIds({"": 0})
        # the tokens that are not yet written, and which of them are what
        self._orths: list[int] = []
        self._spans: list[tuple[int, int, int]] = []
        self._missing: list[int] = []
        self._starts: list[int] = []
        self._unmarked: list[slice] = []
        self._spaces = bytearray()
        self._lengths: list[int] = []
        self._groups: list[bytes] = []
        self._vocab = Vocab()
        # a map of 9, a key of 6 characters, and so many bytes
        self._write(b"\x89" + b"\xa6tokens" + b"\xc6" + struct.pack(">I", size))

    def add(self, doc: DocData) -> None:
        """Add a doc."""
        ids, first, length = self._ids, len(self._orths), len(doc.words)
        self._orths += [ids[word] for word in doc.words]
        self._spans += [(first + start, first + end, ids[label]) for start, end, label in doc.spans]
        self._starts += [first + i for i in doc.starts or (0,)]
        if doc.missing:
            self._missing += [first + i for i in doc.missing]
        if not doc.starts:
            self._unmarked.append(slice(first, first + length))
        self._spaces.extend(doc.spaces)
        self._lengths.append(length)
        self._groups.append(self._pack_groups(doc) if doc.groups else _NO_GROUPS)
        if len(self._orths) >= _FLUSH:
            self._flush()

    def close(self) -> None:
        """Write the rest and give the file its name."""
        self._flush()
        if len(self._spaces) != self.n_tokens:
            raise ValueError(
                f"{self.path.name}: {len(self._spaces):,} tokens were added, expected "
                f"{self.n_tokens:,} as announced. The input changed meanwhile: convert again."
            )
        n_docs = len(self._lengths)
        lengths = np.asarray(self._lengths, dtype="int32").tobytes()
        rest = {
            "spaces": bytes(self._spaces),
            "lengths": lengths,
            "version": "0.1",
            "attrs": _ATTRS,
            "strings": sorted(self._ids),
            "cats": [{}] * n_docs,
            "flags": [{"has_unknown_spaces": False}] * n_docs,
            "span_groups": self._groups,
        }
        # one call, as each looks up its extensions anew; the map's first byte is written
        self._write(srsly.msgpack_dumps(rest)[1:])
        self._file.write(self._zlib.flush())
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Give up: leave no file behind. After `close` it does nothing."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _pack_groups(self, doc: DocData) -> bytes:
        made = Doc(self._vocab, words=doc.words, spaces=doc.spaces)
        for name, spans in doc.groups.items():
            made.spans[name] = [Span(made, start, end, label) for start, end, label in spans]
            for _, _, label in spans:
                self._ids[label]
        return made.spans.to_bytes()

    def _flush(self) -> None:
        # Shape: (n_tokens, n_attrs)
        rows = np.empty((len(self._orths), len(_ATTRS)), dtype="uint64")
        orths, iob, types, starts = rows.T
        orths[:], iob[:], types[:], starts[:] = array("Q", self._orths), _OUTSIDE, 0, _NOT_A_START
        iob[self._missing] = _MISSING
        for start, end, label in self._spans:
            iob[start:end] = _INSIDE
            iob[start] = _BEGIN
            types[start:end] = label
        for unmarked in self._unmarked:
            starts[unmarked] = _UNKNOWN_START
        starts[self._starts] = _START
        self._write(rows.tobytes())
        for waiting in (self._orths, self._spans, self._missing, self._starts, self._unmarked):
            waiting.clear()

    def _write(self, data: bytes) -> None:
        self._file.write(self._zlib.compress(data))
