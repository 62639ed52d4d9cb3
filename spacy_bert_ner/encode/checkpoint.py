"""Hugging Face folder → encoder, word cutter and limits; data only."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from packaging.version import Version
from transformers import MODEL_MAPPING, AutoConfig, PreTrainedModel

from ..fetch.trust import ADVICE, CONFIG, TOKENIZER, TOKENIZER_CONFIG, check_folder
from ..pieces.cutter import WordCutter, make_word_cutter, read_tokenizer, reading
from .settings import ONNX
from .shaped_embedding import add_shapes
from .torch_params import making_modules

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

    model (Any): The encoder in float32, without a pooler: a PreTrainedModel, or what
        computes the same call on another engine.
    files (Dict[str, str]): Texts of its config and tokenizer, by file name.
    cutter (WordCutter): Cuts words into pieces.
    pad (int): The padding piece.
    limit (int): The most pieces the encoder reads at once, special pieces included.
    """

    model: Any
    files: dict[str, str]
    cutter: WordCutter
    pad: int
    limit: int


@making_modules()
def read_checkpoint(
    path: Path,
    *,
    attention: str,
    dropout: float | None,
    attention_dropout: float | None = None,
    shapes: bool = False,
    layers: int | None = None,
    engine: str = "torch",
) -> Checkpoint:
    """Read an encoder from a local folder.

    path (Path): A folder in Hugging Face layout, weights as safetensors.
    attention (str): How to compute attention: "sdpa" or "eager".
    dropout (Optional[float]): Dropout rate of all layers; None keeps the checkpoint's.
    attention_dropout (Optional[float]): Dropout rate of the attention weights; None
        uses `dropout`.
    shapes (bool): Whether to add a new table of word shapes.
    layers (Optional[int]): How many of the first layers to keep; None for all.
    engine (str): "torch"; a folder in this layout has nothing for another one.
    RETURNS (Checkpoint): The encoder.
    RAISES (FileNotFoundError): If the folder or one of its files is missing.
    RAISES (ValueError): If it holds code or pickles, or lacks weights or a fast tokenizer,
        or has fewer layers.
    """
    if engine == ONNX:
        raise ValueError(
            f'{path}: `engine = "{ONNX}"` cannot start from an encoder in Hugging Face layout. '
            'Train with `engine = "torch"`, and make a pipeline for this engine of the result: '
            "`python -m spacy bert-ner quantize`."
        )
    check_folder(path)
    with reading(path):
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        set_dropout(config, dropout, attention_dropout)
        if layers is not None:
            _cut_layers(config, layers)
        cls = find_class(config)
        model, info = cls.from_pretrained(
            path,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            **get_options(cls, attention),
        )
    refuse_missing_weights(info, str(path))
    if shapes:
        add_shapes(model)
    return make_checkpoint(model, *read_tokenizer(path))


def find_class(config: Any) -> Any:
    """Find the class of an encoder; one without a head.

    config (Any): Hugging Face's config.
    RETURNS (Any): The class.
    RAISES (ValueError): If there is no encoder of this type.
    """
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


def set_dropout(config: Any, dropout: float | None, attention_dropout: float | None) -> None:
    """Set the dropout rates of a config that are not None, in place; see `read_checkpoint`."""
    of_attention = dropout if attention_dropout is None else attention_dropout
    for names, rate in ((DROPOUTS, dropout), (ATTENTION_DROPOUTS, of_attention)):
        for name in names:
            if rate is not None and hasattr(config, name):
                setattr(config, name, rate)


def get_options(cls: type[PreTrainedModel], attention: str) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): How `cls.from_pretrained` should build the encoder."""
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


def refuse_missing_weights(info: dict[str, Any], place: str) -> None:
    """Check that no weight is missing.

    info (Dict[str, Any]): What `from_pretrained` reports.
    place (str): Where the weights are from, for the message.
    RAISES (ValueError): If weights are missing.
    """
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"{place}: {len(missing)} weights are missing ({', '.join(missing[:3])}, …), expected "
            f"all weights of the encoder that its config describes. {ADVICE}"
        )


def make_checkpoint(model: PreTrainedModel, tokenizer: str, tokenizer_config: str) -> Checkpoint:
    """Put an encoder and its tokenizer together.

    model (PreTrainedModel): The encoder.
    tokenizer (str): The text of its tokenizer.json.
    tokenizer_config (str): The text of its tokenizer_config.json.
    RETURNS (Checkpoint): The encoder in float32, with its limits.
    """
    settings = _without(json.loads(tokenizer_config), PLACES)
    config = _without(model.config.to_dict(), PLACES)
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
