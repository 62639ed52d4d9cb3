"""A token-classification checkpoint ↔ its tags and the layers that score them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import nn
from transformers import (
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForTokenClassification,
)

from ..encode.checkpoint import Checkpoint
from ..encode.shaped_embedding import split_shapes
from ..fetch.trust import CONFIG, WEIGHTS
from ..files import read_json
from ..pieces.cutter import reading
from ..tag.token_classifier import make_layers

TOLERANCE = 1e-4
"""The largest difference allowed between two computations, relative to the top score."""


class Head(NamedTuple):
    """The layers of a checkpoint that score the tags.

    names (List[str]): The tags, as `id2label` has them. Shape: (n_names,).
    weight (torch.Tensor): Shape: (n_names, width).
    bias (torch.Tensor): Shape: (n_names,).
    before (Tuple[nn.Module, ...]): Layers before the linear one: none, or a linear one, GELU
        and LayerNorm.
    """

    names: list[str]
    weight: torch.Tensor
    bias: torch.Tensor
    before: tuple[nn.Module, ...] = ()

    def score(self, X: torch.Tensor) -> torch.Tensor:
        """Score vectors. Shapes: (…, width) → (…, n_names)."""
        return nn.Sequential(*self.before)(X) @ self.weight.T + self.bias


def read_head(folder: Path, checkpoint: Checkpoint) -> Head:
    """Read the head of a token-classification checkpoint.

    folder (Path): A checked folder in Hugging Face layout.
    checkpoint (Checkpoint): Its encoder.
    RETURNS (Head): Its tags and weights, in float32.
    RAISES (ValueError): If the checkpoint has no trained head for token
        classification, or its head is neither one linear layer nor like ModernBERT's.
    """
    names = read_names(folder)
    with reading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model, info = AutoModelForTokenClassification.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    layer = getattr(model, "classifier", None)
    parts = ("classifier.", "head.")
    missing = sorted(name for name in info["missing_keys"] if name.startswith(parts))
    if missing:
        raise ValueError(
            f"{folder}: no weights for {', '.join(missing)}, expected a checkpoint that was "
            "trained for token classification. To train one from an encoder, use `bert-ner train`."
        )
    model = model.float().eval()
    if isinstance(layer, nn.Linear):
        weight = layer.weight.detach().clone()
        bias = torch.zeros(len(names)) if layer.bias is None else layer.bias.detach().clone()
        head = Head(names, weight, bias, _read_hidden(model))
        if _is_all(model, head, checkpoint):
            return head
    raise ValueError(
        f"{folder}: the head of {type(model).__name__} is neither one linear layer nor a layer "
        "with GELU and LayerNorm before it, so it cannot be converted. Train its encoder with "
        "`bert-ner train` instead."
    )


def build_model(checkpoint: Checkpoint, head: Head) -> Any:
    """Build the token-classification model of an encoder and a head.

    checkpoint (Checkpoint): The encoder.
    head (Head): Tags and weights.
    RETURNS (PreTrainedModel): The model, with the same scores as encoder and head.
    RAISES (ValueError): If transformers has no such model with a linear head.
    """
    settings = json.loads(checkpoint.files[CONFIG])
    settings["id2label"] = {str(i): name for i, name in enumerate(head.names)}
    settings["label2id"] = {name: i for i, name in reversed(list(enumerate(head.names)))}
    settings.pop("architectures", None)
    if head.before:
        settings.update(classifier_bias=True, classifier_activation="gelu")
    config = AutoConfig.for_model(**settings)
    if type(config) not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING:
        raise ValueError(
            f"transformers has no token classification for {config.model_type}, expected an "
            "encoder such as BERT, DistilBERT, RoBERTa, ELECTRA or XLM-R."
        )
    cls: Any = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING[type(config)]
    model = cls(config).eval()
    encoder = checkpoint.model.cpu().eval()
    plain, _ = split_shapes(encoder.state_dict())
    model.base_model.load_state_dict(plain)
    load_head(model, head)
    cutter = checkpoint.cutter
    ids = torch.tensor([[*cutter.prefix, cutter.unknown, *cutter.suffix]])
    with torch.no_grad():
        expected = head.score(encoder(input_ids=ids).last_hidden_state)
        difference = (model(input_ids=ids).logits - expected).abs().max()
    advice = "Choose another encoder."
    if has_hidden(checkpoint):
        advice = f"Train a head with hidden = {head.weight.shape[1]} and norm = true."
    if float(difference) > TOLERANCE * max(1.0, float(expected.abs().max())):
        raise ValueError(
            f"The head of {type(model).__name__} has other layers than this one, so its scores "
            f"would differ from the pipeline's. {advice}"
        )
    return model


def load_head(model: Any, head: Head) -> None:
    """Give a token-classification model the weights of a head."""
    bias = head.bias
    if head.before:
        dense, _, norm = head.before
        model.head.dense.load_state_dict(dense.state_dict())
        model.head.norm.load_state_dict(norm.state_dict(), strict=False)
        if model.head.norm.bias is None:
            bias = bias + head.weight @ norm.bias
    model.classifier.load_state_dict({"weight": head.weight, "bias": bias})


def has_hidden(checkpoint: Checkpoint) -> bool:
    """Check whether transformers puts a hidden layer and a LayerNorm before the tag scores."""
    return json.loads(checkpoint.files[CONFIG])["model_type"] == "modernbert"


def read_names(folder: Path) -> list[str]:
    """Read the names of a checkpoint's tags.

    folder (Path): A folder in Hugging Face layout.
    RETURNS (List[str]): Its `id2label`, in the order of the scores; none without a head.
    RAISES (ValueError): If `id2label` is damaged or does not fit the head.
    """
    found = read_json(folder / CONFIG, {}, advice="").get("id2label")
    n_rows = count_scores(folder)
    if n_rows is None:
        return []
    expected = f"{CONFIG} to name {n_rows} tags, numbered from 0"
    numbers = list(map(str, range(len(found)))) if isinstance(found, dict) else []
    if not isinstance(found, dict) or sorted(found) != sorted(numbers) or not found:
        shown = "no `id2label`" if found is None else f"`id2label` = {str(found)[:80]}"
    elif not all(isinstance(name, str) for name in found.values()):
        shown = f"names that are not text in `id2label`: {str(found)[:80]}"
    elif n_rows != len(found):
        shown = f"{len(found)} names in `id2label` for a head of {n_rows} scores"
    else:
        return [found[number] for number in numbers]
    raise ValueError(
        f"{folder}: found {shown}, expected {expected}. Fix `id2label` in its {CONFIG}: "
        '{"0": "O", "1": "B-PER", …}, in the order of the scores.'
    )


def count_scores(folder: Path) -> int | None:
    """Count the scores that a checkpoint's head gives; `None` if it has no such head."""
    for path in sorted(folder.glob(WEIGHTS)):
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - not a dictionary
                if name == "classifier.weight":
                    return file.get_slice(name).get_shape()[0]
    return None


def _read_hidden(model: Any) -> tuple[nn.Module, ...]:
    # the layers of ModernBERT's "prediction head", whose biases may be missing
    part: Any = getattr(model, "head", None)
    if not hasattr(part, "dense") or not hasattr(part, "norm"):
        return ()
    n_out, n_in = part.dense.weight.shape
    dense, gelu, norm, _ = make_layers([n_in, n_out, 1], norm=True).requires_grad_(False)
    own: Any
    for own, layer in ((dense, part.dense), (norm, part.norm)):
        nn.init.zeros_(own.bias)
        own.load_state_dict(layer.state_dict(), strict=False)
    return dense, gelu, norm


def _is_all(model: Any, head: Head, checkpoint: Checkpoint) -> bool:
    # whether the encoder and this head give the scores of the whole model
    pieces = [piece for ids in checkpoint.cutter(["a", "b", "c"], True) for piece in ids]
    ids = torch.tensor([[*checkpoint.cutter.prefix, *pieces, *checkpoint.cutter.suffix]])
    encoder = checkpoint.model.eval()
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        found = head.score(encoder(input_ids=ids).last_hidden_state)
    limit = TOLERANCE * max(1.0, float(expected.abs().max()))
    return found.shape == expected.shape and bool((found - expected).abs().max() < limit)
