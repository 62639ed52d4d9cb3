"""Token vectors, with or without word features → tag scores."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from safetensors import torch as safetensors
from spacy.tokens import Doc
from thinc.api import Dropout, Model, NumpyOps, chain, with_array
from thinc.layers.chain import forward as forward_chain
from thinc.layers.chain import init as init_chain
from thinc.layers.pytorchwrapper import (
    convert_pytorch_default_inputs,
    convert_pytorch_default_outputs,
)
from thinc.layers.pytorchwrapper import forward as forward_torch
from thinc.types import Floats2d
from torch import nn

from ..encode.precision import predicting
from ..encode.threads import threads_inside
from ..encode.torch_params import TorchShim, making_modules, plain_modes
from ..ranges import check_range
from .append import append_features, keep_width
from .form_products import Products
from .tag_rows import join_blocks, split_rows

DECODERS = ("crf", "valid")
# Words to score at once: their vectors and sums stay in the cache of a processor.
BLOCK_WORDS = 512


def build_token_classifier_v1(
    tok2vec: Model[list[Doc], list[Floats2d]],
    features: Model[list[Doc], list[Floats2d]] | None = None,
    hidden: int | None = None,
    decoder: str = "crf",
    dropout: float | None = None,
    norm: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """Build the head of `bert_ner`: one score for each tag and token.

    Entry point: spacy-bert-ner.TokenClassifier.v1. The component sets the number of
    tags when it is initialized with its labels or loads weights.

    tok2vec (Model[List[Doc], List[Floats2d]]): Layer that returns one vector for each
        token: a transformer listener, or any of spaCy's tok2vec layers.
    features (Model[List[Doc], List[Floats2d]] | None): Layer that returns a second
        vector for each token, which is appended to the first; `None` for none.
    hidden (int | None): Width of a GELU layer before the scores; `None` for a
        plain linear head.
    decoder (str): "crf": also learn scores for the steps from tag to tag, from the
        exact likelihood of whole paths (a linear-chain CRF). "valid": learn each tag
        independently. Both predict the best path that the tag scheme allows.
    dropout (float | None): Has no effect: each update uses `training.dropout`. The
        argument exists because configs of earlier models have it.
    norm (bool): Whether a LayerNorm follows the hidden layer, as in ModernBERT's own head.
    RETURNS (Model[List[Doc], List[Floats2d]]): Shapes: (n_tokens, n_tags).
    RAISES (ValueError): If the decoder is unknown.
    """
    if decoder not in DECODERS:
        raise ValueError(f"Decoder '{decoder}', expected one of {', '.join(DECODERS)}.")
    vectors: Model[list[Doc], list[Floats2d]] = chain(tok2vec, keep_width())
    if features is not None:
        vectors = append_features(vectors, features)
    tag_scores = build_tag_scores(hidden, norm=norm)
    drop: Model[Floats2d, Floats2d] = Dropout()
    scores: Model[list[Floats2d], list[Floats2d]] = with_array(chain(drop, tag_scores))
    model: Model[list[Doc], list[Floats2d]]
    if decoder == "crf":
        transitions = build_transitions()
        model = chain(vectors, scores, transitions)
        model.set_ref("transitions", transitions)
    else:
        model = chain(vectors, scores)
    model.replace_callbacks(forward_classifier, init=init_chain)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("features", features)
    model.set_ref("tag_scores", tag_scores)
    return model


def forward_classifier(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable]:
    """Score the tags of each token.

    To predict on a CPU, vectors and features are multiplied by the first layer apart, so
    that nothing is joined and each distinct word form is multiplied once.
    """
    if is_train or not isinstance(model.ops, NumpyOps):
        return forward_chain(model, docs, is_train)
    features = model.maybe_get_ref("features")
    vectors = model.layers[0] if features is None else model.layers[0].layers[0]
    Xs: list[np.ndarray] = vectors.predict(docs)
    first, *later = cast(TorchShim, model.get_ref("tag_scores").shims[0])._model
    lengths = [len(X) for X in Xs]
    # By numpy, whose defaults no program changes, other than torch's.
    Y = np.empty((sum(lengths), model.get_ref("tag_scores").get_dim("nO")), dtype="f")
    with predicting(torch.device("cpu")), threads_inside(1):
        products, weight = None, first.weight
        if features is not None:
            width = weight.shape[1] - features.get_dim("nO")
            weight, of_features = weight.tensor_split([width], dim=1)
            multiply = features.attrs.get("multiply", multiply_any)
            products = multiply(features, docs, of_features)
        for words, X in join_blocks(Xs, size=BLOCK_WORDS):
            H = nn.functional.linear(torch.from_numpy(X), weight, first.bias)
            if products is not None:
                H += products.sum(words)
            for layer in later:
                H = layer(H)
            Y[words] = H.numpy()
    return split_rows(Y, lengths), ignore_gradient


def multiply_any(features: Model, docs: Sequence[Doc], weight: torch.Tensor) -> Products:
    """Multiply the output of any layer of features by a matrix; see `multiply_features`."""
    F = torch.from_numpy(features.ops.xp.concatenate(features.predict(docs)))
    return Products(F @ weight.T, torch.from_numpy(np.arange(len(F))[:, None]))


def ignore_gradient(dYs: list[Floats2d]) -> list[Doc]:
    """Learn nothing."""
    return []


def build_transitions() -> Model[list[Floats2d], list[Floats2d]]:
    """Build a layer that stores "T", the scores of the steps from tag to tag.

    It returns the tag scores unchanged. The component reads "T" to compute the loss and
    to find the best path, and adds the gradient of "T" here. The last row and column
    are steps from and to a sentence border. Shape: (nO + 1, nO + 1).
    """
    return Model(
        "transitions",
        forward_transitions,
        init=init_transitions,
        params={"T": None},
        dims={"nO": None},
    )


def forward_transitions(
    model: Model[list[Floats2d], list[Floats2d]], Xs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Return the scores unchanged. Shapes: (n_tokens, nO)."""

    def backprop(dYs: list[Floats2d]) -> list[Floats2d]:
        return dYs

    return Xs, backprop


def init_transitions(
    model: Model[list[Floats2d], list[Floats2d]],
    X: list[Floats2d] | None = None,
    Y: list[Floats2d] | None = None,
) -> None:
    """Score all steps 0, for the number of tags of the sample."""
    if Y is not None:
        model.set_dim("nO", Y[0].shape[1])
    n_tags = model.get_dim("nO")
    set_steps(model, model.ops.alloc2f(n_tags + 1, n_tags + 1))


def set_steps(model: Model, T: Floats2d) -> None:
    """Set the scores of all steps, and reset their gradient."""
    model.set_param("T", T)
    if model.has_grad("T"):
        model.set_grad("T", model.ops.alloc2f(*T.shape))


def build_tag_scores(hidden: int | None, *, norm: bool) -> Model[Floats2d, Floats2d]:
    """Build the torch layer that scores the tags, without its sizes.

    Data (`initialize`) or weights (`from_bytes`) set its sizes.

    hidden (int | None): Width of the hidden GELU layer, or `None`.
    norm (bool): Whether a LayerNorm follows it.
    RAISES (ValueError): If there is no hidden layer to normalize.
    """
    check_range("hidden", hidden, 0)
    if norm and not hidden:
        raise ValueError("`norm` normalizes the hidden layer, but `hidden` is null. Set its width.")
    return Model(
        "tag_scores",
        forward_tag_scores,
        init=init_tag_scores,
        attrs={
            "hidden": hidden,
            "norm": norm,
            "convert_inputs": convert_pytorch_default_inputs,
            "convert_outputs": convert_pytorch_default_outputs,
        },
        shims=[
            TorchShim(
                nn.Sequential(),
                serialize_model=module_to_bytes,
                deserialize_model=bytes_to_module,
            )
        ],
        dims={"nI": None, "nO": None},
    )


def forward_tag_scores(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Score the tags. Shapes: (n_tokens, nI) → (n_tokens, nO)."""
    with plain_modes():
        Y, backprop = forward_torch(model, X, is_train)
    return Y, plain_modes()(backprop)


def init_tag_scores(
    model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None
) -> None:
    """Build the torch layers with the widths of the sample."""
    if X is not None:
        model.set_dim("nI", X.shape[1], force=True)
    if Y is not None:
        model.set_dim("nO", Y.shape[1])
    shim = cast(TorchShim, model.shims[0])
    widths = [model.get_dim("nI"), model.attrs["hidden"], model.get_dim("nO")]
    layers = make_layers([width for width in widths if width], norm=model.attrs["norm"])
    shim._model = layers.to(shim.device)


@making_modules()
def make_layers(widths: list[int], *, norm: bool) -> nn.Sequential:
    """Build linear layers between the widths, with a GELU, and a LayerNorm, between each two."""
    layers: list[nn.Module] = []
    options: Any = {"dtype": torch.float32, "device": "cpu"}
    for n_in, n_out in pairwise(widths):
        between = [nn.GELU(), *([nn.LayerNorm(n_in, **options)] if norm else [])]
        layers += [*(between if layers else []), nn.Linear(n_in, n_out, **options)]
    return nn.Sequential(*layers)


def module_to_bytes(module: nn.Sequential) -> bytes:
    """Write the weights in safetensors format."""
    return safetensors.save({name: X.contiguous() for name, X in module.state_dict().items()})


@making_modules()
def bytes_to_module(_: nn.Sequential, data: bytes, device: torch.device) -> nn.Sequential:
    """Build the layers from safetensors, whose shapes define the widths."""
    weights = safetensors.load(data)
    shapes = [X.shape for name, X in sorted(weights.items()) if name.endswith("weight")]
    linear = [shape for shape in shapes if len(shape) == 2]  # that of a LayerNorm has one dimension
    widths = [*(shape[1] for shape in linear[:1]), *(shape[0] for shape in linear)]
    module = make_layers(widths, norm=len(linear) < len(shapes))
    module.load_state_dict(weights)
    return module.to(device)
