"""Names and shapes of parameters → the learning rate factor and weight decay of each."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..pieces.shapes import TABLE

Key = tuple[int, str]

# A numbered layer in Hugging Face's names of weights: encoder.layer.3.…, h.11.…
LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
EMBEDDINGS = re.compile(r"(?:^|[._])(?:embeddings?|embed_tokens|wte|wpe)(?:[._]|$)")
# Biases and the gains of layer normalization, as torch and thinc name them.
_UNDECAYED = ("bias", "b", "G")


class Options(NamedTuple):
    """How to update one parameter.

    factor (float): Its learning rate, as a multiple of the schedule's.
    decay (float): Its weight decay.
    """

    factor: float
    decay: float


def find_options(
    n_dims: Mapping[Key, int],
    *,
    layer_decay: float,
    head_factor: float,
    weight_decay: float,
    encoder_ids: Collection[int] = (),
) -> dict[Key, Options]:
    """Find how to update each parameter, by its model and its name.

    A model with embeddings or numbered layers counts as an encoder; everything else is a
    head. Biases and vectors (the gains of layer normalization) do not decay. Layers that
    share their weights, as ALBERT's do, have the rate of the last layer.

    n_dims (Mapping[Tuple[int, str], int]): The number of dimensions of each parameter, by
        the number of its model and its name.
    layer_decay (float): Factor for the rate of each layer relative to the layer above.
        The embeddings are below layer 0; the table of word shapes, which is new, has
        the rate of the last layer.
    head_factor (float): Factor for the rate of a head.
    weight_decay (float): The weight decay of matrices.
    encoder_ids (Collection[int]): The numbers of models that are known to be encoders.
    RETURNS (Dict[Tuple[int, str], Options]): The options of each parameter.

    EXAMPLE:
    >>> n_dims = {(1, "layer.0.weight"): 2, (1, "layer.1.bias"): 1, (2, "W"): 2}
    >>> options = find_options(n_dims, layer_decay=0.5, head_factor=10, weight_decay=0.1)
    >>> [tuple(option) for option in options.values()]
    [(0.5, 0.1), (1.0, 0.0), (10.0, 0.1)]
    """
    n_layers = dict.fromkeys(encoder_ids, 0)
    for model_id, name in n_dims:
        match = LAYER.search(name)
        if match or EMBEDDINGS.search(name):
            n_here = int(match[1]) + 1 if match else 0
            n_layers[model_id] = max(n_layers.get(model_id, 0), n_here)
    options = {}
    for (model_id, name), n in n_dims.items():
        factor = float(head_factor)
        if model_id in n_layers:
            factor = layer_decay ** _count_layers_above(name, n_layers[model_id])
        is_decayed = n >= 2 and re.split(r"[._]", name)[-1] not in _UNDECAYED
        options[model_id, name] = Options(factor, weight_decay if is_decayed else 0.0)
    return options


def _count_layers_above(name: str, n_layers: int) -> int:
    match = LAYER.search(name)
    if match:
        return n_layers - 1 - int(match[1])
    if name.endswith(TABLE):
        return 0
    return n_layers if EMBEDDINGS.search(name) else 0
