"""Vectors of pieces → tag scores of pieces → tag scores of tokens."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Dropout, Model, chain
from thinc.types import Floats2d, Ragged

from .token_classifier import build_tag_scores

AGGREGATIONS = ("first", "average", "max")


def build_piece_classifier_v1(
    tok2vec: Model[list[Doc], list[Ragged]],
    features: Model[list[Doc], list[Floats2d]] | None = None,
    hidden: int | None = None,
    aggregation: str = "average",
    label_all_pieces: bool = False,
    dropout: float | None = None,
    norm: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a head that scores each piece and combines the scores of each token.

    Entry point: spacy-bert-ner.PieceClassifier.v1. It combines scores like the
    aggregation strategies of `transformers.pipeline`: it takes the scores of the first
    piece, or the log of the pieces' average probabilities, or the log probabilities of
    the piece with the most probable tag.

    tok2vec (Model[List[Doc], List[Ragged]]): Layer that returns the vectors of each
        token's pieces: `spacy-bert-ner.PieceListener.v1`.
    features (Model[List[Doc], List[Floats2d]] | None): Layer that returns a second
        vector for each token, which is appended to those of all its pieces; `None` for
        none.
    hidden (int | None): Width of a GELU layer before the scores; `None` for a
        plain linear head.
    aggregation (str): "first", "average" or "max".
    label_all_pieces (bool): Whether to learn from every piece: the first has the word's
        tag, the others have the tag that continues its entity, so a word counts once
        for each piece. Otherwise, the model learns from the combined scores of words.
    dropout (float | None): Has no effect: each update uses `training.dropout`. The
        argument exists because configs of earlier models have it.
    norm (bool): Whether a LayerNorm follows the hidden layer, as in ModernBERT's own head.
    RETURNS (Model[List[Doc], List[Floats2d]]): Shapes: (n_tokens, n_tags). In training
        with `label_all_pieces`, a `Ragged` of each doc's pieces.
    RAISES (ValueError): If the aggregation is unknown.
    """
    if aggregation not in AGGREGATIONS:
        raise ValueError(f"Aggregation '{aggregation}', expected one of {', '.join(AGGREGATIONS)}.")
    tag_scores = build_tag_scores(hidden, norm=norm)
    drop: Model[Floats2d, Floats2d] = Dropout()
    scores: Model[Floats2d, Floats2d] = chain(drop, tag_scores)
    model: Model[list[Doc], list[Floats2d]] = Model(
        "piece_classifier",
        forward,
        init=init,
        layers=[tok2vec, scores, *([] if features is None else [features])],
        attrs={"aggregation": aggregation, "label_all_pieces": label_all_pieces},
        refs={"tok2vec": tok2vec, "tag_scores": tag_scores},
    )
    return model


def init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Build the layers with the widths of the sample."""
    pieces, scores, *features = model.layers
    for layer in (pieces, *features):
        layer.initialize(X=X)
    if X is None or Y is None:
        return
    rows, _ = read_rows(model, X, is_train=False)
    scores.initialize(X=rows.data, Y=Y[0])


def forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d] | list[Ragged], Callable[[list], list[Doc]]]:
    """Score the pieces of all docs at once, and combine the scores of each token."""
    xp = model.ops.xp
    rows, backprop_rows = read_rows(model, docs, is_train=is_train)
    scored, backprop_scores = model.layers[1](rows.data, is_train)
    lengths: Any = model.ops.to_numpy(rows.lengths)
    ends = np.cumsum([len(doc) for doc in docs])[:-1]
    if is_train and model.attrs["label_all_pieces"]:
        offsets = np.append(0, np.cumsum(lengths))
        parts = xp.split(scored, offsets[ends].tolist())

        def backprop_pieces(dYrs: list[Ragged]) -> list[Doc]:
            dY = xp.concatenate([dYr.data for dYr in dYrs if len(dYr.data)])
            return backprop_rows(backprop_scores(dY))

        doc_lengths: list[Any] = np.split(lengths, ends)
        return [Ragged(*pair) for pair in zip(parts, doc_lengths, strict=True)], backprop_pieces
    Y, backprop_join = join_pieces(
        model.ops.to_numpy(scored), lengths, aggregation=model.attrs["aggregation"]
    )

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        dY = model.ops.to_numpy(xp.concatenate(dYs))
        return backprop_rows(backprop_scores(xp.asarray(backprop_join(dY))))

    return xp.split(xp.asarray(Y), ends.tolist()), backprop


def read_rows(
    model: Model, docs: list[Doc], *, is_train: bool
) -> tuple[Ragged, Callable[[Floats2d], list[Doc]]]:
    """Get the input of the scores: one row for each piece, grouped by token.

    model (Model): The piece classifier.
    docs (List[Doc]): The docs, at least one with a token.
    is_train (bool): Whether gradients will follow.
    RETURNS (Tuple[Ragged, Callable]): The vectors of the pieces of all docs, with the
        features of their tokens next to them, and a callback for their gradient. Shape
        of the data: (n_rows, width).
    """
    xp = model.ops.xp
    pieces, _, *features = model.layers
    Xrs, backprop_vectors = pieces(docs, is_train)
    # The listener does not know the width of an empty doc's vectors.
    X: Any = xp.concatenate([Xr.data for Xr in Xrs if len(Xr.data)])
    lengths: Any = np.concatenate([model.ops.to_numpy(cast(Any, Xr.lengths)) for Xr in Xrs])
    width = X.shape[1]
    row_ends = np.cumsum([len(Xr.data) for Xr in Xrs])[:-1].tolist()
    token_ends = np.cumsum([len(doc) for doc in docs])[:-1].tolist()
    if features:
        Fs, backprop_features = features[0](docs, is_train)
        tokens = np.repeat(np.arange(len(lengths)), lengths)
        X = xp.hstack([X, xp.concatenate(Fs)[xp.asarray(tokens)]])

    def backprop(dX: Floats2d) -> list[Doc]:
        if features:
            dF = model.ops.reduce_sum(
                model.ops.as_contig(dX[:, width:]), model.ops.asarray1i(lengths)
            )
            backprop_features(xp.split(dF, token_ends))
        parts = xp.split(dX[:, :width], row_ends)
        return backprop_vectors(
            [Ragged(part, Xr.lengths) for part, Xr in zip(parts, Xrs, strict=True)]
        )

    return Ragged(X, lengths), backprop


def join_pieces(
    X: np.ndarray, lengths: np.ndarray, *, aggregation: str
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Turn tag scores of pieces into scores of tokens.

    X (Floats2d): Scores of the pieces. Shape: (n_rows, n_tags).
    lengths (Ints1d): Rows of each token, at least 1. Shape: (n_tokens,).
    aggregation (str): "first": the unchanged scores of the first piece. "max": the log
        probabilities of the piece with the highest probability of any tag, the first
        one of equals. "average": the log of the mean probabilities.
    RETURNS (Tuple[Floats2d, Callable]): Shape: (n_tokens, n_tags); and a callback from
        the gradient of these to that of the scores.
    """
    tokens = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    if aggregation == "first":

        def backprop_first(dY: np.ndarray) -> np.ndarray:
            dX = np.zeros_like(X)
            dX[starts] = dY
            return dX

        return X[starts], backprop_first
    # shape: (n_rows, n_tags)
    shifted = X - X.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    # weight of each row in its token, by tag; shape: (n_rows, n_tags) or (n_rows, 1)
    if aggregation == "max":
        rows = np.lexsort((-log_probs.max(axis=1), tokens))[starts]
        Y = log_probs[rows]
        share = np.isin(np.arange(len(X)), rows)[:, None].astype(X.dtype)
    else:
        # factor out the highest, so that they cannot all underflow
        best = np.maximum.reduceat(log_probs, starts)
        parts = np.exp(log_probs - best[tokens])
        sums = np.add.reduceat(parts, starts)
        Y = best + np.log(sums / lengths[:, None])
        share = parts / sums[tokens]

    def backprop(dY: np.ndarray) -> np.ndarray:
        d_log_probs = share * dY[tokens]
        return d_log_probs - np.exp(log_probs) * d_log_probs.sum(axis=1, keepdims=True)

    return Y.astype(X.dtype), backprop
