"""Docs → words → wordpieces; each distinct word is cut only once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from spacy.attrs import ORTH, SPACY
from spacy.tokens import Doc

# Cuts words into pieces, without or with a space before each.
EncodeWords = Callable[[Sequence[str], bool], list[list[int]]]

# Distinguishes a word after a space from the same word without one. The constant is odd
# and about half of its bits are ones, so that the hashes stay spread.
BLANK = np.uint64(0x9E3779B97F4A7C15)


class Pieces(NamedTuple):
    """The wordpieces of some docs, in document order.

    ids (Ints1d): Piece ids, token after token; if the encoder reads shapes, the input of
        `ShapedEmbedding`. Shape: (n_pieces,).
    lengths (Ints1d): The number of pieces of each token, 0 for whitespace. Shape:
        (n_tokens,).
    n_cut (int): The number of tokens that lost pieces beyond the limit.
    """

    ids: np.ndarray
    lengths: np.ndarray
    n_cut: int


class PieceTable(NamedTuple):
    """Distinct words and their pieces; a table is never changed, only replaced.

    keys (Ints1d): Sorted hashes of the words. Shape: (n_words,).
    starts (Ints1d): Where each word's pieces begin. Shape: (n_words,).
    lengths (Ints1d): The number of pieces of each word. Shape: (n_words,).
    is_cut (Ints1d): Whether each word lost pieces. Shape: (n_words,).
    ids (Ints1d): The pieces of all words, in order of arrival. Shape: (n_pieces,).
    """

    keys: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    is_cut: np.ndarray
    ids: np.ndarray

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """RETURNS (Tuple[Ints1d, Ints1d]): The row of each key; whether it is known."""
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return rows, self.keys[rows] == keys

    def add(self, keys: np.ndarray, pieces: list[list[int]], limit: int) -> "PieceTable":
        """RETURNS (PieceTable): These words and the new ones, cut to the limit."""
        true_lengths = np.array([len(ids) for ids in pieces], dtype=np.int64)
        lengths = np.minimum(true_lengths, limit)
        ids = np.array([i for word in pieces for i in word[:limit]], dtype=np.int64)
        starts = len(self.ids) + np.cumsum(lengths) - lengths
        all_keys = np.concatenate([self.keys, keys])
        order = np.argsort(all_keys, kind="stable")
        return PieceTable(
            keys=all_keys[order],
            starts=np.concatenate([self.starts, starts])[order],
            lengths=np.concatenate([self.lengths, lengths])[order],
            is_cut=np.concatenate([self.is_cut, true_lengths > limit])[order],
            ids=np.concatenate([self.ids, ids]),
        )


def make_no_words() -> PieceTable:
    """RETURNS (PieceTable): A table that knows only the empty string (hash 0)."""
    none = np.zeros(1, dtype=np.int64)
    return PieceTable(none.astype(np.uint64), none, none, none.astype(bool), none[:0])


class WordTable:
    """Look up the pieces of whole batches of docs, and add new words.

    If the text is already split into words, WordPiece and byte-level BPE cut each word on
    its own, so a table from word to pieces is exact. Threads can share it: each batch
    works on one `PieceTable`, which a larger one replaces. When two threads add words
    at once, the words of one of them are cut again later.

    encode (EncodeWords): Cuts words into pieces, with or without a space before.
    unknown (int): The piece for a word without pieces.
    limit (int): The most pieces of a word; more are cut off and counted.
    has_blanks (bool): Whether a space before a word changes its pieces.
    first_has_blank (bool): Whether a doc's first word is cut as if after a space.
    capacity (int): The most words and pieces to keep; beyond it, the table starts afresh.
    """

    def __init__(
        self,
        encode: EncodeWords,
        *,
        unknown: int,
        limit: int,
        has_blanks: bool = False,
        first_has_blank: bool = False,
        capacity: int = 2**20,
    ):
        """Start with an empty table."""
        self.encode = encode
        self.unknown = unknown
        self.limit = limit
        self.has_blanks = has_blanks
        self.first_has_blank = first_has_blank
        self.capacity = capacity
        self.words = make_no_words()

    def __len__(self) -> int:
        """RETURNS (int): The number of words and pieces in the table."""
        return len(self.words.keys) + len(self.words.ids)

    def lookup(self, docs: Sequence[Doc]) -> Pieces:
        """Cut docs into wordpieces.

        Whitespace tokens have no pieces; any other token has at least one.

        docs (Sequence[Doc]): At least one doc; docs may be empty.
        RETURNS (Pieces): Their pieces in document order.
        """
        keys, has_blank = self._get_keys(docs)
        words = self.words
        rows, is_known = words.find(keys)
        if not is_known.all():
            words = self._learn(words, docs, keys, has_blank, ~is_known)
            self.words = words
            if len(self) > self.capacity:
                self.words = make_no_words()
            rows, _ = words.find(keys)
        lengths = words.lengths[rows]
        ids = gather_ragged(words.ids, words.starts[rows], lengths)
        return Pieces(ids, lengths, int(words.is_cut[rows].sum()))

    def _get_keys(self, docs: Sequence[Doc]) -> tuple[np.ndarray, np.ndarray]:
        if not self.has_blanks:
            keys = np.concatenate([doc.to_array(ORTH) for doc in docs])
            return keys, np.zeros(len(keys), dtype=bool)
        rows = np.concatenate([doc.to_array([ORTH, SPACY]) for doc in docs])
        has_blank = np.roll(rows[:, 1] != 0, 1)
        firsts = np.cumsum([0] + [len(doc) for doc in docs])[:-1]
        has_blank[firsts[firsts < len(rows)]] = self.first_has_blank
        return np.where(has_blank, rows[:, 0] ^ BLANK, rows[:, 0]), has_blank

    def _learn(
        self,
        words: PieceTable,
        docs: Sequence[Doc],
        keys: np.ndarray,
        has_blank: np.ndarray,
        is_new: np.ndarray,
    ) -> PieceTable:
        positions = np.flatnonzero(is_new)
        new_keys, firsts = np.unique(keys[positions], return_index=True)
        tokens = positions[firsts]
        ends = np.cumsum([len(doc) for doc in docs])
        owners = np.searchsorted(ends, tokens, side="right")
        texts = [
            docs[owner][int(token - ends[owner])].text
            for owner, token in zip(owners, tokens, strict=True)
        ]
        for blank in (False, True):
            chosen = np.flatnonzero(has_blank[tokens] == blank)
            if len(chosen):
                pieces = self._cut([texts[i] for i in chosen], blank)
                words = words.add(new_keys[chosen], pieces, self.limit)
        return words

    def _cut(self, texts: list[str], blank: bool) -> list[list[int]]:
        pieces = self.encode(texts, blank)
        return [
            [] if text.isspace() else ids or [self.unknown]
            for text, ids in zip(texts, pieces, strict=True)
        ]


def gather_ragged(values: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the slices `values[start : start + length]`.

    values (Array1d): The values to take slices of. Shape: (n_values,).
    starts (Ints1d): Where each slice begins. Shape: (n_slices,).
    lengths (Ints1d): The length of each slice; 0 is allowed. Shape: (n_slices,).
    RETURNS (Array1d): The slices. Shape: (sum of the lengths,).

    EXAMPLE:
    >>> gather_ragged(np.array([5, 6, 7, 8]), np.array([2, 0]), np.array([2, 1])).tolist()
    [7, 8, 5]
    """
    ends = np.cumsum(lengths)
    n_values = int(ends[-1]) if len(ends) else 0
    return values[np.arange(n_values) + np.repeat(starts - (ends - lengths), lengths)]
