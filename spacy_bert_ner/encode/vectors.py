"""Token vectors of a batch → each doc's part, in the form that components read."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    ModelOutput,
    TransformerData,
    WordpieceBatch,
)
from thinc.api import get_array_module
from thinc.types import Floats2d, Floats3d, Ints1d, Ragged


class TokenVectors(TransformerData):
    """One vector for each token of a doc, or each piece: a doc's `doc._.trf_data`.

    What stock listeners also read is made when they ask for it: one "wordpiece" for
    each vector, aligned with the tokens.

    X (Floats2d): The vectors. Shape: (n_rows, width), n_rows > 0.
    lengths (Optional[Ints1d]): Rows of each token; None for one row each. Shape:
        (n_tokens,).
    """

    def __init__(self, X: Floats2d, lengths: np.ndarray | None = None):
        """Hold the vectors."""
        self.X = X
        self.lengths = lengths

    @property
    def tensors(self) -> tuple[Floats3d]:
        """RETURNS (Tuple[Floats3d]): The vectors. Shape: (1, n_tokens, width)."""
        return (as_one_row(self.X),)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self.X.shape[1]

    @property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """RETURNS (ModelOutput): The vectors. Shape: (1, n_tokens, width)."""
        return ModelOutput(last_hidden_state=as_one_row(self.X))

    @property
    def wordpieces(self) -> WordpieceBatch:  # type: ignore[override]
        """RETURNS (WordpieceBatch): An empty string for each token."""
        return WordpieceBatch.zeros([len(self.X)])

    @property
    def align(self) -> Ragged:  # type: ignore[override]
        """RETURNS (Ragged): Each token's own rows."""
        rows = np.arange(len(self.X), dtype="i")
        lengths = np.ones(len(self.X), dtype="i") if self.lengths is None else self.lengths
        return Ragged(cast(Ints1d, rows), cast(Ints1d, lengths.astype("i")))


class DocVectors(list[TransformerData]):
    """Each doc's part of a batch, as the listeners receive it.

    backprop (Callable | None): What the listener calls that received it last.
    has_gradient (bool): Whether one of them has given its gradient.
    """

    backprop: Callable[[list[TransformerData]], Any] | None = None
    has_gradient: bool = False


class TokenBatch(FullTransformerBatch):
    """One vector for each token of a batch of docs, or for each piece.

    X (Floats2d): The vectors, in document order. Shape: (n_rows, width).
    doc_lengths (Sequence[int]): Tokens of each doc.
    lengths (Optional[Ints1d]): Rows of each token; None for one row each. Shape:
        (n_tokens,).
    """

    def __init__(self, X: Floats2d, doc_lengths: Sequence[int], lengths: np.ndarray | None = None):
        """Hold the vectors and give each doc its part of them."""
        self.X = X
        self.doc_lengths = doc_lengths
        self.lengths = lengths
        borders = np.cumsum([0, *doc_lengths])
        parts = [None if lengths is None else lengths[a:b] for a, b in pairwise(borders)]
        self.row_lengths = [
            n_tokens if part is None else int(part.sum())
            for n_tokens, part in zip(doc_lengths, parts, strict=True)
        ]
        self.cached_doc_data = DocVectors()
        start = 0
        for n_rows, part in zip(self.row_lengths, parts, strict=True):
            rows = X[start : start + n_rows]
            data = TokenVectors(rows, part) if n_rows else TransformerData.empty()
            self.cached_doc_data.append(data)
            start += n_rows

    @property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """RETURNS (ModelOutput): The vectors. Shape: (1, n_tokens, width)."""
        return ModelOutput(last_hidden_state=as_one_row(self.X))

    @property
    def doc_data(self) -> DocVectors:
        """RETURNS (DocVectors): Each doc's vectors."""
        return cast(DocVectors, self.cached_doc_data)

    def unsplit_by_doc(self, arrays: list[list[Floats3d]]) -> "TokenBatch":
        """Put the gradients of the docs together.

        arrays (List[List[Floats3d]]): For each doc that is not empty, one array.
            Shape: (1, n_tokens, width).
        RETURNS (TokenBatch): The gradient of this batch.
        """
        xp = get_array_module(self.X)
        return TokenBatch(xp.concatenate([array[0] for (array,) in arrays]), self.row_lengths)


def as_one_row(X: Floats2d) -> Floats3d:
    """RETURNS (Floats3d): The same vectors. Shape: (1, n_tokens, width)."""
    return cast(Floats3d, X.reshape((1, *X.shape)))
