"""The token vectors of a batch → those of each doc, in the form that components read."""

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

    What spaCy's own listeners also read is built on demand: one "wordpiece" for each
    vector, aligned with the tokens.

    X (Floats2d): The vectors. Shape: (n_rows, width), n_rows > 0.
    lengths (Optional[Ints1d]): The number of rows of each token; None for one. Shape:
        (n_tokens,).
    owner (int | None): Number of the encoder that they come from.
    is_read (bool): Whether a component has read them.
    """

    owner: int | None = None
    is_read: bool = False

    def __init__(self, X: Floats2d, lengths: np.ndarray | None = None):
        """Hold the vectors."""
        self.X = X
        self.lengths = lengths

    @property
    def tensors(self) -> tuple[Floats3d]:
        """RETURNS (Tuple[Floats3d]): The vectors. Shape: (1, n_tokens, width)."""
        self.is_read = True
        return (as_one_row(self.X),)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self.X.shape[1]

    @property
    def model_output(self) -> ModelOutput:
        """RETURNS (ModelOutput): The vectors. Shape: (1, n_tokens, width)."""
        self.is_read = True
        return ModelOutput(last_hidden_state=as_one_row(self.X))

    @property
    def wordpieces(self) -> WordpieceBatch:  # type: ignore[override]
        """RETURNS (WordpieceBatch): An empty string for each token."""
        return WordpieceBatch.zeros([len(self.X)])

    @property
    def align(self) -> Ragged:  # type: ignore[override]
        """RETURNS (Ragged): The rows of each token."""
        rows = np.arange(len(self.X), dtype="i")
        lengths = np.ones(len(self.X), dtype="i") if self.lengths is None else self.lengths
        return Ragged(cast(Ints1d, rows), cast(Ints1d, lengths.astype("i")))


def is_unread(data: TransformerData | None, owner: int) -> bool:
    """Whether vectors of another encoder would be lost unread.

    data (Optional[TransformerData]): What a doc holds.
    owner (int): Number of the encoder whose vectors replace them.
    RETURNS (bool): False for the same encoder, for vectors of unknown origin and for spaCy's.
    """
    if not isinstance(data, TokenVectors):
        return False
    return data.owner not in (None, owner) and not data.is_read


class DocVectors(list[TransformerData]):
    """The vectors of each doc of a batch, as listeners receive them.

    backprop (Callable | None): The callback of the listener that received them last.
    has_gradient (bool): Whether a listener has returned its gradient.
    n_given (int): How often the component has given them to a listener.
    n_ours (int): How many of these listeners are ours, which can join the docs' gradients.
    """

    backprop: Callable[[list[TransformerData]], Any] | None = None
    has_gradient: bool = False
    n_given: int = 0
    n_ours: int = 0


class TokenBatch(FullTransformerBatch):
    """One vector for each token of a batch of docs, or for each piece.

    X (Floats2d): The vectors in document order. Shape: (n_rows, width).
    doc_lengths (Sequence[int]): The number of tokens of each doc.
    lengths (Optional[Ints1d]): The number of rows of each token; None for one. Shape:
        (n_tokens,).
    """

    def __init__(self, X: Floats2d, doc_lengths: Sequence[int], lengths: np.ndarray | None = None):
        """Hold the vectors and split them into docs."""
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

    def __repr__(self) -> str:
        """RETURNS (str): The sizes; the inherited one needs fields that are not set here."""
        return f"TokenBatch(X.shape={self.X.shape}, doc_lengths={[*self.doc_lengths]})"

    @property
    def model_output(self) -> ModelOutput:
        """RETURNS (ModelOutput): The vectors. Shape: (1, n_tokens, width)."""
        return ModelOutput(last_hidden_state=as_one_row(self.X))

    @property
    def doc_data(self) -> DocVectors:
        """RETURNS (DocVectors): Each doc's vectors."""
        vectors = cast(DocVectors, self.cached_doc_data)
        vectors.n_given += 1
        return vectors

    def unsplit_by_doc(self, arrays: list[list[Floats3d]]) -> "TokenBatch":
        """Join the gradients of the docs.

        arrays (List[List[Floats3d]]): One array for each doc that is not empty, or for
            all. Shape: (1, n_tokens, width).
        RETURNS (TokenBatch): The gradient of this batch.
        """
        xp = get_array_module(self.X)
        return TokenBatch(xp.concatenate([array[0] for (array,) in arrays]), self.row_lengths)


def as_one_row(X: Floats2d) -> Floats3d:
    """RETURNS (Floats3d): The same vectors. Shape: (1, n_tokens, width)."""
    return cast(Floats3d, X.reshape((1, *X.shape)))
