"""Tag scores of docs, a row for each token or for each piece → one array, and back."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, cast

import numpy as np
from thinc.api import Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ..pieces.table import gather_ragged
from .tag_set import OPEN, TagSet

TagScores = list[Floats2d] | list[Ragged]
"""Scores of some docs: a row for each token, or the rows of each token's pieces."""


class TagRows(NamedTuple):
    """The tag scores of some docs in one array.

    X (ndarray): The scores. Shape: (n_rows, n_tags).
    n_rows (List[int]): Rows of each doc.
    lengths (List[ndarray] | None): Rows of each token, by doc; `None` for one row
        each. Shapes: (n_tokens,).
    """

    X: np.ndarray
    n_rows: list[int]
    lengths: list[np.ndarray] | None

    def place(
        self, tokens: np.ndarray, possible: np.ndarray, tag_set: TagSet
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the rows of some tokens, and the tags that each row may have.

        The first piece gets the token's tags. The others get the tags that continue its
        entity, as in Hugging Face's examples with `label_all_tokens`.

        tokens (ndarray): Indices of the tokens across all docs. Shape: (n_words,).
        possible (ndarray): The result of `list_possible_tags`. Shape: (n_words, n_tags).
        tag_set (TagSet): The tags.
        RETURNS (Tuple[ndarray, ndarray]): Rows of `X`, and their possible tags. Shapes: (n,)
            and (n, n_tags), where n counts the rows of the tokens.
        """
        if self.lengths is None:
            return tokens, possible
        all_lengths = np.concatenate(self.lengths)
        lengths = all_lengths[tokens]
        starts = (np.cumsum(all_lengths) - all_lengths)[tokens]
        rows = gather_ragged(np.arange(len(self.X)), starts, lengths)
        going_on = np.eye(len(tag_set.tags), dtype=bool)[find_tags_going_on(tag_set)]
        # A missing tag stays missing. Shape: (n_words, n_tags)
        later = (possible @ going_on) | possible.all(axis=1, keepdims=True)
        row_possible = np.repeat(later, lengths, axis=0)
        row_possible[np.cumsum(lengths) - lengths] = possible
        return rows, row_possible

    def split(self, X: Any) -> TagScores:
        """Split an array into the rows of each doc, in the form of the scores.

        X (Floats2d): An array like `X`. Shape: (n_rows, n_tags).
        RETURNS (List[Floats2d] | List[Ragged]): The rows of each doc.
        """
        parts = split_rows(X, self.n_rows)
        if self.lengths is None:
            return parts
        return [
            Ragged(part, cast(Ints1d, lengths))
            for part, lengths in zip(parts, self.lengths, strict=True)
        ]


def split_rows(X: Any, n_rows: Sequence[int]) -> list[Any]:
    """Split an array into views of the rows of each doc.

    X (Array2d): The array, in any memory. Shape: (sum of n_rows, n_columns).
    n_rows (Sequence[int]): Rows of each doc.
    RETURNS (List[Array2d]): The rows of each doc. Shapes: (n, n_columns).
    """
    ends = list(accumulate(n_rows, initial=0))
    return [X[start:end] for start, end in pairwise(ends)]


def join_blocks(Xs: Sequence[np.ndarray], *, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Join the rows of docs to blocks; a block ends with a doc.

    Xs (Sequence[ndarray]): The rows of each doc.
    size (int): The fewest rows of a block that another one follows.
    YIELDS (Tuple[slice, ndarray]): Which rows of all docs these are; the rows.
    """
    start = end = first = 0
    for i, X in enumerate(Xs):
        end += len(X)
        if end - start >= size or (end > start and i + 1 == len(Xs)):
            part = Xs[first : i + 1]
            yield slice(start, end), X if len(part) == 1 else np.concatenate(part)
            start, first = end, i + 1


def join_scores(scores: TagScores, ops: Ops) -> TagRows:
    """Put the tag scores of some docs into one array.

    scores (List[Floats2d] | List[Ragged]): The scores of each doc, at least one doc.
    ops (Ops): The backend of the scores.
    RETURNS (TagRows): The array, in the memory of the CPU.
    """
    rows: list[Any] = [X.data if isinstance(X, Ragged) else X for X in scores]
    lengths = [ops.to_numpy(cast(Any, X.lengths)) for X in scores if isinstance(X, Ragged)]
    # Ragged forgets the width of an empty doc's rows.
    filled = [row for row in rows if len(row)] or rows[:1]
    return TagRows(
        X=ops.to_numpy(ops.xp.concatenate(filled)),
        n_rows=[len(row) for row in rows],
        lengths=lengths or None,
    )


def find_tags_going_on(tag_set: TagSet) -> np.ndarray:
    """Get the tag that continues each tag's entity inside a word.

    tag_set (TagSet): The tags.
    RETURNS (ndarray): Indices into the tags: "I-" of the same label for a tag that
        begins an entity, otherwise the tag itself. Shape: (n_tags,).
    """
    number = {tag: i for i, tag in enumerate(tag_set.tags)}
    return np.asarray(
        [
            number[f"I-{label}"] if kind == OPEN else i
            for i, (label, kind) in enumerate(zip(tag_set.labels, tag_set.kinds, strict=True))
        ]
    )


def merge_neighbours(tags: np.ndarray, is_start: np.ndarray, tag_set: TagSet) -> np.ndarray:
    """Merge neighbouring entities that the scheme can't separate.

    IO reads two neighbours with the same label as one entity, so they are also learned
    as one.

    tags (ndarray): Gold tags, -1 where missing. Shape: (n_words,).
    is_start (ndarray): Words that begin a sentence. Shape: (n_words,).
    tag_set (TagSet): The tags.
    RETURNS (ndarray): The tags that the scheme can express. Shape: (n_words,).

    EXAMPLE:
        >>> from spacy_bert_ner.tag.tag_set import build_tag_set
        >>> tag_set = build_tag_set(["LOC"], scheme="IO")
        >>> tags, is_start = np.asarray([1, 1, 1]), np.asarray([True, False, True])
        >>> [tag_set.tags[i] for i in merge_neighbours(tags, is_start, tag_set)]
        ['B-LOC', 'I-LOC', 'B-LOC']
    """
    is_barred = np.zeros(len(tags), dtype=bool)
    is_barred[1:] = ~tag_set.follows[tags[:-1], tags[1:]] & (tags[:-1] >= 0) & (tags[1:] >= 0)
    is_barred &= ~is_start
    return np.where(is_barred, find_tags_going_on(tag_set)[tags], tags)
