"""A head and a number of tags → the head with every tag-scoring layer resized."""

from typing import Any, cast

import torch
from thinc.api import Model
from thinc.types import Floats2d
from torch import nn

from ..encode.torch_params import TorchShim
from .token_classifier import build_tag_scores, build_transitions, make_layers, set_steps


def set_size(model: Model, n_tags: int | None) -> None:
    """Set the number of tags in every layer whose output is tag scores.

    thinc infers sizes only for layers that have none, so set `None` before `initialize`
    to give the head new weights.

    model (Model): The model of a `bert_ner`; it is changed.
    n_tags (int | None): The number of tags.
    """
    tag_scores = model.get_ref("tag_scores")
    layers = [node for node in model.walk() if any(n is tag_scores for n in node.walk())]
    if "transitions" in model.ref_names:
        layers.append(model.get_ref("transitions"))
        layers[-1].set_param("T", None)
    for layer in layers:
        if "nO" in layer.dim_names:
            layer.set_dim("nO", cast(int, n_tags), force=True)


def add_tags(model: Model, n_new: int) -> None:
    """Append tags to a trained head.

    Existing tags keep their weights. New tags, and steps from and to them, score 0
    until they are learned. Wider layers replace the old ones, so an optimizer that has
    seen the old ones starts again with arrays of the right size.

    model (Model): The model of a `bert_ner` with its sizes set; it is changed.
    n_new (int): How many tags to add.
    """
    old = model.get_ref("tag_scores")
    n_known, n_tags = old.get_dim("nO"), old.get_dim("nO") + n_new
    wider = build_tag_scores(old.attrs["hidden"], norm=old.attrs["norm"])
    wider.set_dim("nI", old.get_dim("nI"))
    layers = cast(TorchShim, old.shims[0])._model
    cast(TorchShim, wider.shims[0])._model = nn.Sequential(
        *layers[:-1], widen(cast(nn.Linear, layers[-1]), n_new)
    )
    model.replace_node(old, wider)
    if "transitions" not in model.ref_names:
        set_size(model, n_tags)
        return
    steps = cast(Floats2d, model.get_ref("transitions").get_param("T"))
    model.replace_node(model.get_ref("transitions"), build_transitions())
    set_size(model, n_tags)
    # The last row and column are for sentence borders.
    known = model.ops.xp.asarray([*range(n_known), n_tags])
    T = model.ops.alloc2f(n_tags + 1, n_tags + 1)
    T[known[:, None], known] = steps
    set_steps(model.get_ref("transitions"), T)


def widen(linear: nn.Linear, n_new: int) -> nn.Linear:
    """Copy a linear layer, and append outputs whose weights are 0."""
    weight, bias = linear.weight.detach(), linear.bias.detach()
    wider: Any = make_layers([weight.shape[1], len(weight) + n_new], norm=False)[0].to(weight)
    with torch.no_grad():
        wider.weight.copy_(torch.cat([weight, weight.new_zeros(n_new, weight.shape[1])]))
        wider.bias.copy_(torch.cat([bias, bias.new_zeros(n_new)]))
    return wider
