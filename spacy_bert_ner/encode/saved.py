"""Encoder ↔ bytes in a saved pipeline; data only."""

import json
from dataclasses import replace
from typing import Any

import safetensors.torch
import torch
from transformers import AutoConfig

from ..fetch.trust import CONFIG, TOKENIZER, TOKENIZER_CONFIG, refuse_code
from ..pieces.cutter import reading
from .checkpoint import (
    Checkpoint,
    find_class,
    get_options,
    make_checkpoint,
    refuse_missing_weights,
    set_dropout,
)
from .onnx_encoder import GRAPH, SIZES, OnnxEncoder
from .seal import check_seal, read_texts, tensors_to_bytes
from .settings import ONNX
from .shaped_embedding import add_shapes, split_shapes
from .torch_params import making_modules

# The name of the pooling among the texts of the file.
POOLING = "pooling"
_PLACE = "saved encoder"


def checkpoint_to_bytes(checkpoint: Checkpoint, *, pooling: str) -> bytes:
    """Write an encoder as safetensors, with config and tokenizer in the header.

    checkpoint (Checkpoint): The encoder; for the engine "onnx", its graph is one tensor.
    pooling (str): The pooling that the encoder was trained with.
    RETURNS (bytes): A safetensors file; the same bytes for the same weights.
    """
    state = checkpoint.model.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return tensors_to_bytes(tensors, {**checkpoint.files, POOLING: pooling})


@making_modules()
def bytes_to_checkpoint(
    data: bytes,
    *,
    pooling: str,
    attention: str,
    dropout: float | None,
    attention_dropout: float | None = None,
    shapes: bool | None = False,
    layers: int | None = None,
    engine: str | None = "torch",
) -> Checkpoint:
    """Read an encoder that `checkpoint_to_bytes` wrote.

    The bytes are enough: the folder that the encoder came from is not needed.

    data (bytes): A safetensors file with config and tokenizer in the header.
    pooling (str): The pooling of the config; training must have used the same.
    attention (str): How to compute attention: "sdpa" or "eager".
    dropout (Optional[float]): Dropout rate of all layers; None keeps the checkpoint's.
    attention_dropout (Optional[float]): Dropout rate of the attention weights; None
        uses `dropout`.
    shapes (Optional[bool]): Whether the config asks for word shapes, as in training; None
        for what the encoder has, here and below.
    layers (Optional[int]): The layers that the config asks for; as in training.
    engine (Optional[str]): The engine that the config asks for; as when the encoder was
        saved.
    RETURNS (Checkpoint): The encoder.
    RAISES (ValueError): If the bytes are not an encoder of ours, are damaged or refer to
        code, or if `pooling`, `shapes`, `layers` or `engine` differ from the encoder's.
    """
    check_seal(data)
    files = read_texts(data)
    state = safetensors.torch.load(data)
    refuse_code(json.loads(files[CONFIG]), f"{_PLACE}, config.json")
    config = AutoConfig.for_model(**json.loads(files[CONFIG]))
    saved = {
        "pooling": files[POOLING],
        "shapes": _has_shapes(state),
        "layers": getattr(config, "num_hidden_layers", None),
        "engine": ONNX if GRAPH in state else "torch",
    }
    wanted = {"pooling": pooling, "shapes": shapes, "layers": layers, "engine": engine}
    _check_settings(saved, wanted)
    set_dropout(config, dropout, attention_dropout)
    cls = find_class(config)
    if GRAPH in state:
        with torch.device("meta"):  # for its sizes; it has no weights
            skeleton = cls(config)
        checkpoint = make_checkpoint(skeleton, files[TOKENIZER], files[TOKENIZER_CONFIG])
        return replace(checkpoint, model=OnnxEncoder(state[GRAPH], state[SIZES], config))
    # The file may hold half precision; the encoder is kept and trained in float32.
    state, table = split_shapes({name: X.float() for name, X in state.items()})
    with reading(_PLACE):
        model, info = cls.from_pretrained(
            None,
            config=config,
            state_dict=state,
            **get_options(cls, attention),
        )
    refuse_missing_weights(info, _PLACE)
    if table is not None:
        add_shapes(model, table)
    return make_checkpoint(model, files[TOKENIZER], files[TOKENIZER_CONFIG])


def _has_shapes(state: dict[str, torch.Tensor]) -> bool:
    return bool(state[SIZES][1]) if SIZES in state else split_shapes(state)[1] is not None


def _check_settings(saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if value in (None, saved[name]):
            continue
        was, now = (json.dumps(v) for v in (saved[name], value))
        how = "saved" if name == "engine" else "trained"
        raise ValueError(
            f"The encoder was {how} with `{name} = {was}`, but the config has `{name} = {now}`. "
            f"Set `{name}` in [components.transformer.model] of config.cfg to {was}."
        )
