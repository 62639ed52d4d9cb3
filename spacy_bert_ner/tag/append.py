"""Token vectors, and features of the same tokens → one vector for each token."""

from collections.abc import Callable

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .tag_rows import split_rows


def keep_width() -> Model[list[Floats2d], list[Floats2d]]:
    """Build a layer that gives empty docs the width of the others.

    For an empty doc, the stock transformer listener returns an array of shape (0, 0),
    which can't be joined with the rest.
    """
    return Model("keep_width", forward_keep_width)


def forward_keep_width(
    model: Model[list[Floats2d], list[Floats2d]], Xs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Return the arrays, with the full width for empty ones. Shapes: (n_tokens, width)."""
    width = max((X.shape[1] for X in Xs), default=0)
    Ys = [X if len(X) else model.ops.alloc2f(0, width) for X in Xs]

    def backprop(dYs: list[Floats2d]) -> list[Floats2d]:
        return dYs

    return Ys, backprop


def append_features(
    vectors: Model[list[Doc], list[Floats2d]], features: Model[list[Doc], list[Floats2d]]
) -> Model[list[Doc], list[Floats2d]]:
    """Build a layer that appends features to the vectors of each token.

    thinc's `concatenate` fails if the callback of `vectors` returns nothing, as that of
    the stock transformer listener does, unless it is the last one of the pipeline.
    """
    return Model(
        "append_features",
        forward_append,
        init=init_append,
        dims={"nI": None, "nO": None},
        layers=[vectors, features],
    )


def init_append(
    model: Model[list[Doc], list[Floats2d]],
    X: list[Doc] | None = None,
    Y: list[Floats2d] | None = None,
) -> None:
    """Initialize the layers with the sample."""
    for layer in model.layers:
        layer.initialize(X=X)
    if all(layer.has_dim("nO") for layer in model.layers):
        model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))


def forward_append(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Append the features. Shapes: (n_tokens, width + width of the features)."""
    ops, lengths = model.ops, [len(doc) for doc in docs]
    Xs, backprop_vectors = model.layers[0](docs, is_train)
    Fs, backprop_features = model.layers[1](docs, is_train)
    X, F = ops.xp.concatenate(Xs), ops.xp.concatenate(Fs)
    width = X.shape[1]

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        dY = ops.xp.concatenate(dYs)
        backprop_vectors(split_rows(ops.as_contig(dY[:, :width]), lengths))
        backprop_features(split_rows(ops.as_contig(dY[:, width:]), lengths))
        return docs

    return split_rows(ops.xp.hstack([X, F]), lengths), backprop
