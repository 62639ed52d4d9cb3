"""Hugging Face folder or bytes ↔ encoder, word cutter and limits; data only."""

import contextlib
import inspect
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from tokenizers import Tokenizer
from transformers import MODEL_MAPPING, AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from .trust import ADVICE, CONFIG, TOKENIZER, TOKENIZER_CONFIG, check_config, check_folder

# entry of the safetensors header with the texts; one, as the order of several varies
HEADER, POOLING = "spacy-bert-ner", "pooling"
# settings of Hugging Face configs that are dropout rates of the encoder
DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)
# entries that say where the files lay when they were read
PLACES = ("_name_or_path", "name_or_path")


@dataclass(frozen=True)
class Checkpoint:
    """An encoder and what belongs to it.

    model (PreTrainedModel): The encoder, without pooler, in float32.
    files (Dict[str, str]): Texts of its config and tokenizer, by file name.
    cutters (Tuple[Tokenizer, Tokenizer]): Cut words without and with a blank before.
    prefix, suffix (List[int]): Special pieces around each window.
    unknown, pad (int): The pieces for an unknown word and for padding.
    limit (int): Most pieces that the encoder reads at once, special ones included.
    has_blanks (bool): Whether a blank before a word changes its pieces.
    first_has_blank (bool): Whether a text's first word counts as behind a blank.
    """

    model: PreTrainedModel
    files: dict[str, str]
    cutters: tuple[Tokenizer, Tokenizer]
    prefix: list[int]
    suffix: list[int]
    unknown: int
    pad: int
    limit: int
    has_blanks: bool
    first_has_blank: bool

    def encode_words(self, words: Sequence[str], blank: bool) -> list[list[int]]:
        """Cut words into pieces, each on its own.

        words (Sequence[str]): The words.
        blank (bool): Whether a blank stands before each of them.
        RETURNS (List[List[int]]): The pieces of each word; none for some words.
        """
        encoding = self.cutters[blank].encode(
            list(words), is_pretokenized=True, add_special_tokens=False
        )
        pieces: list[list[int]] = [[] for _ in words]
        for row, piece in zip(encoding.word_ids, encoding.ids, strict=True):
            pieces[row].append(piece)
        return pieces


def read_checkpoint(path: Path, *, attention: str, dropout: float | None) -> Checkpoint:
    """Read an encoder from a local folder.

    path (Path): A folder in Hugging Face layout, weights as safetensors.
    attention (str): How attention is computed: "sdpa" or "eager".
    dropout (Optional[float]): Dropout rate of all layers; the checkpoint's own if None.
    RETURNS (Checkpoint): The encoder.
    RAISES (FileNotFoundError): If the folder or one of its files is not there.
    RAISES (ValueError): If it holds code or pickles, has no fast tokenizer, or lacks weights.
    """
    check_folder(path)
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    _set_dropout(config, dropout)
    cls: Any = MODEL_MAPPING[type(config)]
    with quiet():
        model, info = cls.from_pretrained(
            path,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            **_get_options(cls, attention),
        )
        tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    _check_weights(info, str(path))
    if not tokenizer.is_fast:
        raise ValueError(
            f"{path}: {type(tokenizer).__name__} is not a fast tokenizer, expected one with "
            "tokenizer.json. Save it with `use_fast=True`, or choose another encoder."
        )
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        texts = [(Path(folder) / name).read_text("utf8") for name in (TOKENIZER, TOKENIZER_CONFIG)]
    return _make_checkpoint(model, *texts)


def checkpoint_to_bytes(checkpoint: Checkpoint, *, pooling: str) -> bytes:
    """Write an encoder as safetensors, config and tokenizer in the header.

    checkpoint (Checkpoint): The encoder.
    pooling (str): Which pieces give a token's vector, as trained.
    RETURNS (bytes): A safetensors file; the same bytes for the same weights.
    """
    state = checkpoint.model.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    texts = {**checkpoint.files, POOLING: pooling}
    return safetensors.torch.save(tensors, metadata={HEADER: json.dumps(texts)})


def bytes_to_checkpoint(
    data: bytes, *, pooling: str, attention: str, dropout: float | None
) -> Checkpoint:
    """Read an encoder that `checkpoint_to_bytes` wrote.

    Needs nothing but the bytes: not the folder that the encoder came from.

    data (bytes): A safetensors file with config and tokenizer in the header.
    pooling (str): Which pieces give a token's vector; must be as trained.
    attention (str): How attention is computed: "sdpa" or "eager".
    dropout (Optional[float]): Dropout rate of all layers; the checkpoint's own if None.
    RETURNS (Checkpoint): The encoder.
    RAISES (ValueError): If the bytes are something else, are cut, refer to code, or
        come from a model with another pooling.
    """
    files = _read_header(data)
    if files[POOLING] != pooling:
        raise ValueError(
            f'The encoder was trained with pooling = "{files[POOLING]}", but the config says '
            f'"{pooling}". Set `pooling` in [components.transformer.model] of config.cfg back.'
        )
    check_config(json.loads(files[CONFIG]), "saved encoder, config.json")
    config = AutoConfig.for_model(**json.loads(files[CONFIG]))
    _set_dropout(config, dropout)
    cls: Any = MODEL_MAPPING[type(config)]
    with quiet():
        model, info = cls.from_pretrained(
            None,
            config=config,
            # stored in half precision perhaps; kept and trained in float32
            state_dict={name: X.float() for name, X in safetensors.torch.load(data).items()},
            **_get_options(cls, attention),
        )
    _check_weights(info, "saved encoder")
    return _make_checkpoint(model, files[TOKENIZER], files[TOKENIZER_CONFIG])


def _read_header(data: bytes) -> dict[str, str]:
    # a safetensors file: 8 bytes length of the header, the header as JSON, the tensors
    n_header = int.from_bytes(data[:8], "little")
    is_safetensors = data[8:9] == b"{" and 8 + n_header <= len(data)
    header = json.loads(data[8 : 8 + n_header]) if is_safetensors else {}
    files = json.loads(header.get("__metadata__", {}).get(HEADER, "{}"))
    missing = [name for name in (CONFIG, TOKENIZER, TOKENIZER_CONFIG) if name not in files]
    if missing:
        raise ValueError(
            "The weights were not written by spacy-bert-ner.TransformerModel.v1: found "
            f"{len(data):,} bytes without {', '.join(missing)}, expected safetensors with these "
            "in the header. A model keeps the architecture that it was trained with: set "
            "`@architectures` back to that one, or train again with this one."
        )
    ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    n_expected = 8 + n_header + max(ends)
    if len(data) != n_expected:
        raise ValueError(
            f"The encoder's weights are {len(data):,} bytes, expected {n_expected:,}: the file was "
            "cut or changed. Copy or download the model again."
        )
    return files


def _set_dropout(config: Any, dropout: float | None) -> None:
    for name in DROPOUTS:
        if dropout is not None and hasattr(config, name):
            setattr(config, name, dropout)


def _get_options(cls: type[PreTrainedModel], attention: str) -> dict[str, Any]:
    has_sdpa = getattr(cls, "_supports_sdpa", False)
    options = {
        "attn_implementation": attention if has_sdpa else "eager",
        "output_loading_info": True,
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
    pre_tokenizer = json.loads(tokenizer)["pre_tokenizer"]
    without_blank, with_blank = (_set_blank(pre_tokenizer, blank) for blank in (False, True))
    cutters = (_make_cutter(tokenizer, without_blank), _make_cutter(tokenizer, with_blank))
    encoding = cutters[0].encode("a")
    is_special = encoding.special_tokens_mask
    n_prefix = is_special.index(0)
    n_suffix = is_special[::-1].index(0)
    unknown = settings.get("unk_token", "[UNK]")
    return Checkpoint(
        model=model.float(),
        files={
            CONFIG: json.dumps(config, sort_keys=True),
            TOKENIZER: tokenizer,
            TOKENIZER_CONFIG: json.dumps(settings, sort_keys=True),
        },
        cutters=cutters,
        prefix=encoding.ids[:n_prefix],
        suffix=encoding.ids[len(encoding.ids) - n_suffix :],
        unknown=cutters[0].token_to_id(unknown if isinstance(unknown, str) else unknown["content"]),
        pad=model.config.pad_token_id or 0,
        limit=_find_limit(model, settings),
        has_blanks=with_blank != without_blank,
        first_has_blank=pre_tokenizer != without_blank,
    )


def _make_cutter(tokenizer: str, pre_tokenizer: Any) -> Tokenizer:
    data = json.loads(tokenizer) | {"pre_tokenizer": pre_tokenizer}
    data["truncation"] = data["padding"] = None
    return Tokenizer.from_str(json.dumps(data))


def _set_blank(data: Any, blank: bool) -> Any:
    # byte-level BPE says add_prefix_space, SentencePiece also prepend_scheme
    if isinstance(data, list):
        return [_set_blank(item, blank) for item in data]
    if not isinstance(data, dict):
        return data
    changed = {key: _set_blank(value, blank) for key, value in data.items()}
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = blank
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "always" if blank else "never"
    return changed


def _find_limit(model: PreTrainedModel, settings: dict[str, Any]) -> int:
    limits = [settings.get("model_max_length") or 10**9]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa counts positions from behind the padding's
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - first)
    if len(limits) == 1:
        limits.append(getattr(model.config, "max_position_embeddings", None) or 512)
    return int(min(limits))


def _without(data: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Hugging Face from warning of poolers and heads that nobody asked for."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
