"""Buckets of pieces → token vectors: what runs in torch, on any device."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..optimize.parameter_groups import LAYER
from ..pieces.shapes import TABLE
from ..pieces.table import gather_ragged
from ..pieces.windows import Bucket
from .settings import parse_freeze


def compute_vectors(
    model: torch.nn.Module,
    buckets: Sequence[Bucket],
    *,
    n_tokens: int,
    width: int,
    pooling: str,
    device: torch.device,
) -> torch.Tensor:
    """Run buckets through an encoder and pool the pieces of each token.

    model (torch.nn.Module): A Hugging Face encoder.
    buckets (Sequence[Bucket]): The batch.
    n_tokens (int): Tokens of the batch.
    width (int): The encoder's width.
    pooling (str): Which pieces give a token's vector: "first", "mean" or "last". With
        "pieces", the buckets' tokens are pieces already.
    device (torch.device): Where the encoder is.
    RETURNS (torch.Tensor): A vector for each token in float32, zeros for a token
        without pieces. Shape: (n_tokens, width).
    """
    # shape: (n_tokens, width)
    Y = torch.zeros((n_tokens, width), device=device)
    parts = [
        (bucket.ids.ravel(), bucket.lengths, bucket.tokens, *_find_rows(bucket, pooling))
        for bucket in buckets
    ]
    arrays = list(_copy_to_device(parts, device))
    inputs = [ids.view(b.ids.shape) for b, (ids, *_) in zip(buckets, arrays, strict=True)]
    if torch.is_grad_enabled():
        inputs = _embed(model, inputs)
    for bucket, X, (_, lengths, tokens, *rows) in zip(buckets, inputs, arrays, strict=True):
        is_padded = bool((bucket.lengths != bucket.ids.shape[1]).any())
        X = read_bucket(model, X, lengths if is_padded else None)
        Y.index_copy_(0, tokens, _pool(X.reshape(-1, width), rows).float())
    return Y


def _embed(model: Any, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    # One look-up for all buckets: each would make a gradient as large as the vocabulary.
    if not inputs:
        return []
    X = model.get_input_embeddings()(torch.cat([ids.ravel() for ids in inputs]))
    parts = X.split([ids.numel() for ids in inputs])
    return [part.view(*ids.shape, -1) for part, ids in zip(parts, inputs, strict=True)]


def read_bucket(
    model: torch.nn.Module, X: torch.Tensor, lengths: torch.Tensor | None
) -> torch.Tensor:
    """Run the encoder; when a GPU's memory does not suffice, in two halves.

    model (torch.nn.Module): A Hugging Face encoder.
    X (torch.Tensor): Piece ids, or the vectors that the encoder has for them. Shape:
        (n_windows, n_columns) or (n_windows, n_columns, n_vector).
    lengths (Optional[torch.Tensor]): Pieces of each window; None if all are full.
    RETURNS (torch.Tensor): A vector for each piece. Shape: (n_windows, n_columns, width).
    RAISES (MemoryError): If a half does not fit either.
    """
    with contextlib.suppress(torch.cuda.OutOfMemoryError):
        return _read(model, X, lengths)
    # what the failed call had computed is gone only now, with its traceback
    torch.cuda.empty_cache()
    n_rows = len(X) // 2
    halves = [(X[:n_rows], lengths if lengths is None else lengths[:n_rows])]
    halves.append((X[n_rows:], lengths if lengths is None else lengths[n_rows:]))
    try:
        return torch.cat([_read(model, *half) for half in halves if len(half[0])])
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(
            f"The GPU's memory does not suffice for {len(X)} windows of {X.shape[1]} pieces, "
            "nor for half of them. Set `batch_pieces` of the transformer model below "
            f"{len(X) * X.shape[1]} (or `window` below {X.shape[1]} where one window is too much)."
        ) from error


def _read(model: torch.nn.Module, X: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    given = {"input_ids" if X.dim() == 2 else "inputs_embeds": X}
    if lengths is not None:
        columns = torch.arange(X.shape[1], device=X.device)
        given["attention_mask"] = (columns < lengths[:, None]).long()
    return model(**given).last_hidden_state


def _find_rows(bucket: Bucket, pooling: str) -> tuple[np.ndarray, ...]:
    # rows of the flattened pieces to take; for the mean, also where each token's begin
    if pooling in ("first", "pieces"):
        return (bucket.firsts,)
    if pooling == "last":
        return (bucket.firsts + bucket.token_lengths - 1,)
    ends = np.cumsum(bucket.token_lengths)
    pieces = gather_ragged(np.arange(bucket.ids.size), bucket.firsts, bucket.token_lengths)
    return pieces, ends - bucket.token_lengths


def _pool(X: torch.Tensor, rows: Sequence[torch.Tensor]) -> torch.Tensor:
    # X shape: (n_windows * n_columns, width); RETURNS shape: (n_tokens, width)
    if len(rows) == 1:
        return X.index_select(0, rows[0])
    return torch.nn.functional.embedding_bag(rows[0], X.float(), rows[1], mode="mean")


def _copy_to_device(
    parts: Sequence[Sequence[np.ndarray]], device: torch.device
) -> Iterator[tuple[torch.Tensor, ...]]:
    # all arrays of the batch go over in one copy, which need not be waited for
    if not parts:
        return
    flat = torch.from_numpy(np.concatenate([array for part in parts for array in part]))
    if device.type == "cuda":
        flat = flat.pin_memory().to(device, non_blocking=True)
    sizes = [len(array) for part in parts for array in part]
    arrays = iter(flat.to(device).split(sizes))
    for part in parts:
        yield tuple(next(arrays) for _ in part)


@functools.cache
def find_dtype(name: str, device: torch.device) -> torch.dtype:
    """Find what to compute in.

    "auto" is bfloat16 on a processor that has instructions for it (without them
    it is far slower than float32) and on a GPU that has it, float16 on other CUDA
    GPUs, else float32.

    name (str): "auto", "float32", "bfloat16" or "float16".
    device (torch.device): Where the encoder runs.
    RETURNS (torch.dtype): The type.
    """
    if name != "auto":
        return getattr(torch, name)
    if device.type == "cuda":
        return (
            torch.bfloat16
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float16
        )
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        if has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"):
            return torch.bfloat16
    return torch.float32


def freeze_parameters(model: torch.nn.Module, freeze: str) -> None:
    """Keep some of the encoder's weights as they are.

    model (torch.nn.Module): A Hugging Face encoder.
    freeze (str): "none", "embeddings", "all", or "N layers": the embeddings and
        the first N layers. A table of word shapes, which starts from zero, is frozen
        with layers only: behind them, its gradient would cost what they save.
    RAISES (ValueError): If there are fewer than N layers.
    """
    n_frozen = parse_freeze(freeze)
    matches = {name: LAYER.search(name) for name, _ in model.named_parameters()}
    layers = {name: int(match[1]) for name, match in matches.items() if match}
    n_layers = len(set(layers.values()))
    if n_frozen is not None and n_frozen > n_layers:
        raise ValueError(
            f'freeze = "{freeze}", but the encoder has {n_layers} layers. '
            f'Set at most "{n_layers} layers", or "all".'
        )
    for name, parameter in model.named_parameters():
        is_new = name.endswith(TABLE) and n_frozen == 0
        is_frozen = n_frozen is not None and (
            (name.startswith("embeddings") and not is_new) or layers.get(name, n_layers) < n_frozen
        )
        parameter.requires_grad = freeze != "all" and not is_frozen
