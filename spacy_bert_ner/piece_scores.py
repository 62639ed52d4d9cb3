"""Vectors of pieces → tag scores of pieces → tag scores of tokens."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Dropout, Model, chain
from thinc.types import Floats2d, Ragged

from .tagger import build_tag_scores

AGGREGATIONS = ("average", "max")


def build_piece_classifier_v1(
    tok2vec: Model[list[Doc], list[Ragged]], aggregation: str = "average", dropout: float = 0.1
) -> Model[list[Doc], list[Floats2d]]:
    """Build a head that scores the tags of each piece, and joins those of a token.

    Entry point: spacy-bert-ner.PieceClassifier.v1. It gives what the aggregation
    strategies of `transformers.pipeline` give: log probabilities, the average of the
    pieces' probabilities, or those of the piece that is surest of its best tag.

    tok2vec (Model[List[Doc], List[Ragged]]): The vectors of all pieces, by token:
        `spacy-bert-ner.PieceListener.v1`.
    aggregation (str): "average" or "max". (The first piece's scores are those of
        `spacy-bert-ner.TokenClassifier.v1`.)
    dropout (float): Share of vector entries dropped in training, until
        `training.dropout` sets its own.
    RETURNS (Model[List[Doc], List[Floats2d]]): Shapes: (n_tokens, n_tags).
    RAISES (ValueError): If the aggregation is unknown.
    """
    if aggregation not in AGGREGATIONS:
        raise ValueError(
            f"Aggregation '{aggregation}', expected one of {', '.join(AGGREGATIONS)}; for the "
            "first piece use spacy-bert-ner.TokenClassifier.v1."
        )
    tag_scores = build_tag_scores(None)
    drop: Model[Floats2d, Floats2d] = Dropout(dropout)
    scores: Model[Floats2d, Floats2d] = chain(drop, tag_scores)
    model: Model[list[Doc], list[Floats2d]] = Model(
        "piece_classifier",
        forward,
        init=init,
        layers=[tok2vec, scores],
        attrs={"aggregation": aggregation},
        refs={"tok2vec": tok2vec, "tag_scores": tag_scores},
    )
    return model


def init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Make the layers for the widths of the sample."""
    pieces, scores = model.layers
    pieces.initialize(X=X)
    if X is None or Y is None:
        return
    Xrs = pieces.predict(X)
    data: Any = model.ops.xp.concatenate([Xr.data for Xr in Xrs if len(Xr.data)])
    scores.initialize(X=data, Y=Y[0])


def forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Score the pieces of all docs at once, and join those of each token."""
    xp = model.ops.xp
    pieces, scores = model.layers
    Xrs, backprop_pieces = pieces(docs, is_train)
    # The listener does not know the width of an empty doc's vectors.
    data: Any = xp.concatenate([Xr.data for Xr in Xrs if len(Xr.data)])
    scored, backprop_scores = scores(data, is_train)
    lengths = np.concatenate([model.ops.to_numpy(cast(Any, Xr.lengths)) for Xr in Xrs])
    Y, backprop_join = join_pieces(
        model.ops.to_numpy(scored), lengths, is_max=model.attrs["aggregation"] == "max"
    )
    ends = np.cumsum([len(Xr.lengths) for Xr in Xrs])[:-1].tolist()
    row_ends = np.cumsum([len(Xr.data) for Xr in Xrs])[:-1].tolist()

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        dY = model.ops.to_numpy(xp.concatenate(dYs))
        dX = backprop_scores(xp.asarray(backprop_join(dY)))
        parts = xp.split(dX, row_ends)
        return backprop_pieces(
            [Ragged(part, Xr.lengths) for part, Xr in zip(parts, Xrs, strict=True)]
        )

    return xp.split(xp.asarray(Y), ends), backprop


def join_pieces(
    X: np.ndarray, lengths: np.ndarray, *, is_max: bool
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Turn tag scores of pieces into log probabilities of tokens.

    X (Floats2d): Scores of the pieces. Shape: (n_rows, n_tags).
    lengths (Ints1d): Rows of each token, at least 1. Shape: (n_tokens,).
    is_max (bool): Take the piece with the highest probability of any tag, the first
        of several; otherwise the average of their probabilities.
    RETURNS (Tuple[Floats2d, Callable]): Shape: (n_tokens, n_tags); and a callback from
        the gradient of these to that of the scores.
    """
    tokens = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    # shape: (n_rows, n_tags)
    shifted = X - X.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    # how much each row counts for its token, by tag; shape: (n_rows, n_tags) or (n_rows, 1)
    if is_max:
        rows = np.lexsort((-log_probs.max(axis=1), tokens))[starts]
        Y = log_probs[rows]
        share = np.isin(np.arange(len(X)), rows)[:, None].astype(X.dtype)
    else:
        # the highest is taken out of the sum, so that not all of them underflow
        best = np.maximum.reduceat(log_probs, starts)
        parts = np.exp(log_probs - best[tokens])
        sums = np.add.reduceat(parts, starts)
        Y = best + np.log(sums / lengths[:, None])
        share = parts / sums[tokens]

    def backprop(dY: np.ndarray) -> np.ndarray:
        d_log_probs = share * dY[tokens]
        return d_log_probs - np.exp(log_probs) * d_log_probs.sum(axis=1, keepdims=True)

    return Y.astype(X.dtype), backprop
