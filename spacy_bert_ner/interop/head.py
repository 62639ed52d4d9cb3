"""A token-classification checkpoint → its tags and its one linear layer."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from ..encode.checkpoint import Checkpoint
from ..pieces.cutter import quiet

TOLERANCE = 1e-4
"""Most that scores computed in two ways may differ, relative to the largest one."""


class Head(NamedTuple):
    """The layer of a checkpoint that scores the tags.

    names (List[str]): The tags, as `id2label` has them. Shape: (n_names,).
    weight (torch.Tensor): Shape: (n_names, width).
    bias (torch.Tensor): Shape: (n_names,).
    """

    names: list[str]
    weight: torch.Tensor
    bias: torch.Tensor


def read_head(folder: Path, checkpoint: Checkpoint) -> Head:
    """Read the head of a token-classification checkpoint.

    folder (Path): A checked folder in Hugging Face layout.
    checkpoint (Checkpoint): Its encoder.
    RETURNS (Head): Its tags and weights, in float32.
    RAISES (ValueError): If the checkpoint has no trained head for token
        classification, or its head is more than one linear layer.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with quiet():
        model, info = AutoModelForTokenClassification.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    layer = getattr(model, "classifier", None)
    missing = sorted(name for name in info["missing_keys"] if "classifier" in name)
    if missing:
        raise ValueError(
            f"{folder}: no weights for {', '.join(missing)}, expected a checkpoint that was "
            "trained for token classification. To train one from an encoder, use `spacy train`."
        )
    model = model.float().eval()
    if not isinstance(layer, torch.nn.Linear) or not _is_all(model, layer, checkpoint):
        raise ValueError(
            f"{folder}: the head of {type(model).__name__} is more than one linear layer, and "
            "would not score as before. Train its encoder with `spacy train` instead."
        )
    names = [config.id2label[i] for i in range(config.num_labels)]
    weight = layer.weight.detach().clone()
    bias = torch.zeros(len(names)) if layer.bias is None else layer.bias.detach().clone()
    return Head(names, weight, bias)


def _is_all(model: Any, layer: torch.nn.Linear, checkpoint: Checkpoint) -> bool:
    # whether the encoder and this layer give the scores of the whole model
    pieces = [piece for ids in checkpoint.cutter(["a", "b", "c"], True) for piece in ids]
    ids = torch.tensor([[*checkpoint.cutter.prefix, *pieces, *checkpoint.cutter.suffix]])
    encoder = checkpoint.model.eval()
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        found = layer(encoder(input_ids=ids).last_hidden_state)
    limit = TOLERANCE * max(1.0, float(expected.abs().max()))
    return found.shape == expected.shape and bool((found - expected).abs().max() < limit)
