"""Settings of the transformer architecture, checked when the config is read."""

import json
import re
from dataclasses import dataclass
from typing import Any

from ..ranges import check_range

POOLINGS = ("first", "mean", "last", "pieces")
DTYPES = ("auto", "float32", "bfloat16", "float16")
ATTENTIONS = ("sdpa", "eager")
ONNX = "onnx"
TRANSFORMER_ENGINES = ("torch", ONNX)
# What other settings may be with ONNX Runtime, which only predicts, in its own precision.
WITH_ONNX: dict[str, tuple[Any, ...]] = {
    "compute_dtype": ("auto", "float32"),
    "freeze": ("none", "all"),
    "gradient_checkpointing": (False,),
}
# The most pieces to compute at once: about what the caches of a CPU hold, and enough to
# keep a GPU busy. In training, each part of a batch costs a backward pass too.
BATCH_PIECES = {"cpu": 1024, "cuda": 32_768}
TRAIN_BATCH_PIECES = {**BATCH_PIECES, "cpu": 2048}
# The most pieces of a part of a training batch on a CPU, whose parts are computed side by
# side. With MiniLM, 448 pieces take 140 ms, and adding the gradients of a part 6 to 8.
PART_PIECES = 512


@dataclass(frozen=True)
class Settings:
    """The arguments of `spacy-bert-ner.TransformerModel.v1`; see there."""

    name: str
    pooling: str = "first"
    window: int | None = None
    context: int | None = None
    batch_pieces: int | None = None
    compute_dtype: str = "auto"
    freeze: str = "none"
    dropout: float | None = None
    attention_dropout: float | None = None
    attention: str = "sdpa"
    gradient_checkpointing: bool = False
    shapes: bool = False
    layers: int | None = None
    threads: int | None = None
    engine: str = "torch"

    @property
    def precision(self) -> str:
        """RETURNS (str): `compute_dtype`, or what the engine wants."""
        return "float32" if self.engine == ONNX else self.compute_dtype

    @property
    def reading(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): The settings needed to read the encoder's weights."""
        names = ("attention", "dropout", "attention_dropout", "shapes", "layers", "engine")
        return {name: getattr(self, name) for name in names}

    def find_batch_pieces(self, device_type: str, *, is_train: bool = False) -> int:
        """Find the most pieces to compute at once.

        device_type (str): "cpu", "cuda" or another of torch's.
        is_train (bool): Whether gradients will follow.
        RETURNS (int): The setting, or a default for the device.
        """
        defaults = TRAIN_BATCH_PIECES if is_train else BATCH_PIECES
        return self.batch_pieces or defaults.get(device_type, 1024)

    def find_sizes(self, limit: int, n_special: int) -> tuple[int, int]:
        """Find the sizes of windows and context.

        limit (int): The most pieces the encoder reads at once.
        n_special (int): The number of special pieces in each window.
        RETURNS (Tuple[int, int]): The pieces of a window, without special pieces; the
            pieces of context on each side of a border.
        RAISES (ValueError): If `window` is more than the encoder reads, or too small for
            the context and the special pieces.
        """
        window = limit if self.window is None else self.window
        context = window // 16 if self.context is None else self.context
        if window > limit:
            raise ValueError(
                f"`window = {window}`, but this encoder reads at most {limit} pieces at once. "
                f"Set `window` to {limit} or less, or leave it out."
            )
        if window < n_special + 2 * context + 1:
            raise ValueError(
                f"`window = {window}` leaves no room next to {n_special} special pieces and "
                f"{context} pieces of context on each side. Raise `window` or lower `context`."
            )
        return window - n_special, context


def check_transformer_settings(settings: Settings) -> None:
    """Check the settings that do not depend on the encoder.

    settings (Settings): The settings.
    RAISES (ValueError): If one has an invalid value.
    """
    _check_choice("pooling", settings.pooling, POOLINGS)
    _check_choice("compute_dtype", settings.compute_dtype, DTYPES)
    if "/" in settings.attention:
        raise ValueError(
            f'`attention = "{settings.attention}"`: refused, because a name with "/" downloads a '
            'compiled kernel from a hub and runs it. Set `attention` to "sdpa" or "eager".'
        )
    _check_choice("attention", settings.attention, ATTENTIONS)
    _check_choice("engine", settings.engine, TRANSFORMER_ENGINES)
    parse_freeze(settings.freeze)
    for name in ("window", "layers", "batch_pieces", "threads"):
        check_range(name, getattr(settings, name), 1)
    check_range("context", settings.context, 0)
    check_range("dropout", settings.dropout, 0, below=1)
    check_range("attention_dropout", settings.attention_dropout, 0, below=1)
    for name, choices in WITH_ONNX.items():
        value, allowed = (json.dumps(v) for v in (getattr(settings, name), choices[0]))
        if settings.engine == ONNX and getattr(settings, name) not in choices:
            raise ValueError(
                f'`{name} = {value}` with `engine = "{ONNX}"`, which only predicts, in float32 and '
                f"int8. Set `{name} = {allowed}`."
            )


def check_trainable(settings: Settings) -> None:
    """Check that the encoder's engine can train it.

    settings (Settings): The settings.
    RAISES (ValueError): If it can't.
    """
    if settings.engine == ONNX:
        raise ValueError(
            f'`engine = "{ONNX}"` is for prediction: its encoder cannot be trained. Train the '
            "pipeline that it was made from, and run `python -m spacy bert-ner quantize` on the "
            'result. To train other components on its vectors, set `freeze = "all"`.'
        )


def parse_freeze(freeze: str) -> int | None:
    """Read the setting `freeze`.

    freeze (str): "none", "embeddings", "all", or "N layers".
    RETURNS (Optional[int]): How many layers are frozen in addition to the embeddings;
        None for "none" and "all".
    RAISES (ValueError): If the value is none of these.

    EXAMPLE:
    >>> parse_freeze("3 layers")
    3
    """
    match = re.fullmatch(r"(\d+) layers?", freeze)
    if match:
        return int(match.group(1))
    if freeze not in ("none", "embeddings", "all"):
        raise ValueError(
            f'`freeze = "{freeze}"`, expected "none", "embeddings", "all" or a number of layers, '
            'for example "3 layers".'
        )
    return 0 if freeze == "embeddings" else None


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f'`{name} = "{value}"`, expected one of: {", ".join(choices)}.')
