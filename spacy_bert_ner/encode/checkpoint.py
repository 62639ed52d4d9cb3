"""Hugging Face folder or bytes ↔ encoder, word cutter and limits; data only."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from packaging.version import Version
from transformers import MODEL_MAPPING, AutoConfig, PreTrainedModel

from ..fetch.trust import ADVICE, CONFIG, TOKENIZER, TOKENIZER_CONFIG, check_folder, refuse_code
from ..pieces.cutter import WordCutter, make_word_cutter, read_tokenizer, reading
from .dropout import quicken_dropout
from .seal import check_seal, read_texts, tensors_to_bytes
from .shaped_embedding import add_shapes, split_shapes

# The name of the pooling among the texts of the file.
POOLING = "pooling"
# Settings of Hugging Face configs that are dropout rates of the encoder.
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
DROPOUTS = ("hidden_dropout_prob", "dropout", "embedding_dropout", "mlp_dropout")
# transformers 4.56 renamed the argument.
_DTYPE = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
# Entries that record where the files were read from.
PLACES = ("_name_or_path", "name_or_path")


@dataclass(frozen=True)
class Checkpoint:
    """An encoder with its config, its tokenizer and its limits.

    model (PreTrainedModel): The encoder in float32, without a pooler.
    files (Dict[str, str]): Texts of its config and tokenizer, by file name.
    cutter (WordCutter): Cuts words into pieces.
    pad (int): The padding piece.
    limit (int): The most pieces the encoder reads at once, special pieces included.
    """

    model: PreTrainedModel
    files: dict[str, str]
    cutter: WordCutter
    pad: int
    limit: int


def read_checkpoint(
    path: Path,
    *,
    attention: str,
    dropout: float | None,
    attention_dropout: float | None = None,
    shapes: bool = False,
    layers: int | None = None,
) -> Checkpoint:
    """Read an encoder from a local folder.

    path (Path): A folder in Hugging Face layout, weights as safetensors.
    attention (str): How to compute attention: "sdpa" or "eager".
    dropout (Optional[float]): Dropout rate of all layers; None keeps the checkpoint's.
    attention_dropout (Optional[float]): Dropout rate of the attention weights; None
        uses `dropout`.
    shapes (bool): Whether to add a new table of word shapes.
    layers (Optional[int]): How many of the first layers to keep; None for all.
    RETURNS (Checkpoint): The encoder.
    RAISES (FileNotFoundError): If the folder or one of its files is missing.
    RAISES (ValueError): If it holds code or pickles, or lacks weights or a fast tokenizer,
        or has fewer layers.
    """
    check_folder(path)
    with reading(path), torch.device("cpu"):
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        _set_dropout(config, dropout, attention_dropout)
        if layers is not None:
            _cut_layers(config, layers)
        cls = _find_class(config)
        model, info = cls.from_pretrained(
            path,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            **_get_options(cls, attention),
        )
    _check_weights(info, str(path))
    if shapes:
        add_shapes(model)
    return _make_checkpoint(model, *read_tokenizer(path))


def checkpoint_to_bytes(checkpoint: Checkpoint, *, pooling: str) -> bytes:
    """Write an encoder as safetensors, with config and tokenizer in the header.

    checkpoint (Checkpoint): The encoder.
    pooling (str): The pooling that the encoder was trained with.
    RETURNS (bytes): A safetensors file; the same bytes for the same weights.
    """
    state = checkpoint.model.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return tensors_to_bytes(tensors, {**checkpoint.files, POOLING: pooling})


def bytes_to_checkpoint(
    data: bytes,
    *,
    pooling: str,
    attention: str,
    dropout: float | None,
    attention_dropout: float | None = None,
    shapes: bool = False,
    layers: int | None = None,
) -> Checkpoint:
    """Read an encoder that `checkpoint_to_bytes` wrote.

    The bytes are enough: the folder that the encoder came from is not needed.

    data (bytes): A safetensors file with config and tokenizer in the header.
    pooling (str): The pooling of the config; training must have used the same.
    attention (str): How to compute attention: "sdpa" or "eager".
    dropout (Optional[float]): Dropout rate of all layers; None keeps the checkpoint's.
    attention_dropout (Optional[float]): Dropout rate of the attention weights; None
        uses `dropout`.
    shapes (bool): Whether the config asks for word shapes; as in training.
    layers (Optional[int]): The layers that the config asks for; as in training.
    RETURNS (Checkpoint): The encoder.
    RAISES (ValueError): If the bytes are not an encoder of ours, are damaged or refer to
        code, or if `pooling`, `shapes` or `layers` differ from training.
    """
    check_seal(data)
    files = read_texts(data)
    if files[POOLING] != pooling:
        raise ValueError(
            f'The encoder was trained with `pooling = "{files[POOLING]}"`, but the config has '
            f'`pooling = "{pooling}"`. Set `pooling` in [components.transformer.model] of '
            f'config.cfg to "{files[POOLING]}".'
        )
    # The file may hold half precision; the encoder is kept and trained in float32.
    state, table = split_shapes({n: X.float() for n, X in safetensors.torch.load(data).items()})
    if (table is not None) != shapes:
        trained, now, back = ("without", "true", "false") if shapes else ("with", "false", "true")
        raise ValueError(
            f"The encoder was trained {trained} word shapes, but the config has `shapes = {now}`. "
            f"Set `shapes = {back}` in [components.transformer.model] of config.cfg."
        )
    refuse_code(json.loads(files[CONFIG]), "saved encoder, config.json")
    config = AutoConfig.for_model(**json.loads(files[CONFIG]))
    has = getattr(config, "num_hidden_layers", None)
    if layers not in (None, has):
        raise ValueError(
            f"The encoder was trained with {has} layers, but the config has `layers = {layers}`. "
            f"Set `layers = {has}` in [components.transformer.model] of config.cfg."
        )
    _set_dropout(config, dropout, attention_dropout)
    cls = _find_class(config)
    with reading("saved encoder"), torch.device("cpu"):
        model, info = cls.from_pretrained(
            None,
            config=config,
            state_dict=state,
            **_get_options(cls, attention),
        )
    _check_weights(info, "saved encoder")
    if table is not None:
        add_shapes(model, table)
    return _make_checkpoint(model, files[TOKENIZER], files[TOKENIZER_CONFIG])


def _find_class(config: Any) -> Any:
    if type(config) not in MODEL_MAPPING:
        raise ValueError(f"no encoder has the type {config.model_type!r}")
    found = MODEL_MAPPING[type(config)]
    return found[0] if isinstance(found, tuple) else found  # Funnel has two


def _cut_layers(config: Any, layers: int) -> None:
    has = getattr(config, "num_hidden_layers", 0)
    if layers > has:
        raise ValueError(
            f"`layers = {layers}`, but this encoder has {has}. Set `layers` to {has} or less, or "
            "to null for all of them."
        )
    config.num_hidden_layers = layers


def _set_dropout(config: Any, dropout: float | None, attention_dropout: float | None) -> None:
    of_attention = dropout if attention_dropout is None else attention_dropout
    for names, rate in ((DROPOUTS, dropout), (ATTENTION_DROPOUTS, of_attention)):
        for name in names:
            if rate is not None and hasattr(config, name):
                setattr(config, name, rate)


def _get_options(cls: type[PreTrainedModel], attention: str) -> dict[str, Any]:
    has_sdpa = getattr(cls, "_supports_sdpa", False)
    options = {
        "attn_implementation": attention if has_sdpa else "eager",
        "output_loading_info": True,
        # Whatever torch's default is.
        _DTYPE: torch.float32,
    }
    if "add_pooling_layer" in inspect.signature(cls.__init__).parameters:
        options["add_pooling_layer"] = False
    return options


def _check_weights(info: dict[str, Any], place: str) -> None:
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"{place}: {len(missing)} weights are missing ({', '.join(missing[:3])}, …), expected "
            f"all weights of the encoder that its config describes. {ADVICE}"
        )


def _make_checkpoint(model: PreTrainedModel, tokenizer: str, tokenizer_config: str) -> Checkpoint:
    settings = _without(json.loads(tokenizer_config), PLACES)
    config = _without(model.config.to_dict(), PLACES)
    quicken_dropout(model)
    return Checkpoint(
        model=model.float(),
        files={
            CONFIG: json.dumps(config, sort_keys=True),
            TOKENIZER: tokenizer,
            TOKENIZER_CONFIG: json.dumps(settings, sort_keys=True),
        },
        cutter=make_word_cutter(tokenizer, settings),
        pad=model.config.pad_token_id or 0,
        limit=_find_limit(model, settings),
    )


def _find_limit(model: PreTrainedModel, settings: dict[str, Any]) -> int:
    limits = [settings.get("model_max_length") or 10**9]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa's first position is the one after the padding's.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - first)
    if len(limits) == 1:
        limit = getattr(model.config, "max_position_embeddings", None) or 0
        limits.append(limit if limit > 0 else 512)  # XLNet has no limit: -1
    return int(min(limits))


def _without(data: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}
