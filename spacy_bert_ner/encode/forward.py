"""Buckets of pieces → token vectors, in torch on any device."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..optimize.parameter_groups import EMBEDDINGS, LAYER
from ..pieces.shapes import TABLE
from ..pieces.table import gather_ragged
from ..pieces.windows import Bucket
from .memory import run_in_halves
from .padding import make_mask
from .precision import predicting
from .settings import parse_freeze
from .threads import run_side_by_side


class PlacedBuckets(NamedTuple):
    """The arrays of buckets, on a device.

    ids (List[torch.Tensor]): Piece ids. Shapes: (n_windows, n_columns).
    lengths (List[Optional[torch.Tensor]]): Pieces of each window; None if all are full.
    tokens (List[torch.Tensor]): The row of each predicted token in the batch.
    rows (List[Sequence[torch.Tensor]]): The rows of the flattened pieces to take; for the
        mean, also where each token begins.
    """

    ids: list[torch.Tensor]
    lengths: list[torch.Tensor | None]
    tokens: list[torch.Tensor]
    rows: list[Sequence[torch.Tensor]]


def place_buckets(buckets: Sequence[Bucket], pooling: str, device: torch.device) -> PlacedBuckets:
    """Copy buckets to a device.

    buckets (Sequence[Bucket]): The batch.
    pooling (str): As in `compute_vectors`.
    device (torch.device): Where the encoder is.
    RETURNS (PlacedBuckets): The arrays.
    """
    parts = [
        (bucket.ids.ravel(), bucket.lengths, bucket.tokens, *_find_rows(bucket, pooling))
        for bucket in buckets
    ]
    placed = PlacedBuckets([], [], [], [])
    for bucket, arrays in zip(buckets, _copy_to_device(parts, device), strict=True):
        ids, lengths, tokens, *rows = arrays
        is_padded = bool((bucket.lengths != bucket.ids.shape[1]).any())
        placed.ids.append(ids.view(bucket.ids.shape))
        placed.lengths.append(lengths if is_padded else None)
        placed.tokens.append(tokens)
        placed.rows.append(rows)
    return placed


def compute_vectors(
    model: torch.nn.Module,
    buckets: Sequence[Bucket],
    *,
    n_tokens: int,
    width: int,
    pooling: str,
    device: torch.device,
    threads: int | None = None,
) -> torch.Tensor:
    """Run buckets through an encoder and pool the pieces of each token, without gradients.

    On a CPU, the buckets are computed side by side.

    model (torch.nn.Module): A Hugging Face encoder.
    buckets (Sequence[Bucket]): The batch.
    n_tokens (int): The number of tokens in the batch.
    width (int): The encoder's width.
    pooling (str): Which pieces give a token's vector: "first", "mean" or "last". With
        "pieces", the tokens of the buckets are already pieces.
    device (torch.device): Where the encoder is.
    threads (Optional[int]): Buckets to compute at the same time, as in `count_threads`.
    RETURNS (torch.Tensor): A vector for each token in float32, zeros for a token
        without pieces. Shape: (n_tokens, width).
    """
    placed = place_buckets(buckets, pooling, device)
    # shape: (n_tokens, width)
    Y = torch.zeros((n_tokens, width), dtype=torch.float32, device=device)

    def fill(i: int) -> None:
        Y.index_copy_(0, placed.tokens[i], read_part(model, placed.ids[i], placed, i))

    n_threads = threads if device.type == "cpu" else 1
    run_side_by_side(predicting(device)(fill), len(buckets), threads=n_threads)
    return Y


def embed_pieces(model: Any, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Look up the encoder's embeddings, once for all buckets.

    Each look-up makes a gradient as large as the vocabulary.

    model (PreTrainedModel): A Hugging Face encoder.
    inputs (Sequence[torch.Tensor]): Piece ids of each bucket.
    RETURNS (List[torch.Tensor]): The embeddings. Shapes: (n_windows, n_columns, n_vector).
    """
    if not inputs:
        return []
    X = model.get_input_embeddings()(torch.cat([ids.ravel() for ids in inputs]))
    parts = X.split([ids.numel() for ids in inputs])
    return [part.view(*ids.shape, -1) for part, ids in zip(parts, inputs, strict=True)]


def read_part(
    model: torch.nn.Module, X: torch.Tensor, placed: PlacedBuckets, i: int
) -> torch.Tensor:
    """Run a bucket through the encoder and pool the pieces of each token.

    model (torch.nn.Module): A Hugging Face encoder.
    X (torch.Tensor): As in `read_bucket`.
    placed (PlacedBuckets): All buckets.
    i (int): The number of the bucket.
    RETURNS (torch.Tensor): A vector for each token of the bucket, in float32.
    """
    pieces = read_bucket(model, X, placed.lengths[i])
    return _pool(pieces.flatten(0, 1), placed.rows[i]).float()


def read_bucket(
    model: torch.nn.Module, X: torch.Tensor, lengths: torch.Tensor | None
) -> torch.Tensor:
    """Run the encoder on a bucket, or on halves of it if memory is short.

    With gradients, halves would not help: the activations of all of them are kept.

    model (torch.nn.Module): A Hugging Face encoder.
    X (torch.Tensor): Piece ids, or the encoder's embeddings of them. Shape:
        (n_windows, n_columns) or (n_windows, n_columns, n_vector).
    lengths (Optional[torch.Tensor]): Pieces of each window; None if all are full.
    RETURNS (torch.Tensor): A vector for each piece. Shape: (n_windows, n_columns, width).
    """

    def run(rows: slice) -> torch.Tensor:
        return _read(model, X[rows], lengths if lengths is None else lengths[rows])

    if torch.is_grad_enabled():
        return _read(model, X, lengths)
    parts = run_in_halves(run, len(X))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _read(model: torch.nn.Module, X: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    given = {"input_ids" if X.dim() == 2 else "inputs_embeds": X}
    mask = make_mask(lengths, X.shape[:2], X.device)
    return model(**given, attention_mask=mask).last_hidden_state


def _find_rows(bucket: Bucket, pooling: str) -> tuple[np.ndarray, ...]:
    # The rows of the flattened pieces to take; for the mean, also where each token begins.
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
    # One copy for all arrays of the batch; on a GPU, nothing waits for it.
    if not parts:
        return
    flat = torch.from_numpy(np.concatenate([array for part in parts for array in part]))
    if device.type == "cuda":
        flat = flat.pin_memory().to(device, non_blocking=True)
    sizes = [len(array) for part in parts for array in part]
    arrays = iter(flat.to(device).split(sizes))
    for part in parts:
        yield tuple(next(arrays) for _ in part)


def freeze_parameters(model: torch.nn.Module, freeze: str) -> None:
    """Freeze some of the encoder's weights.

    model (torch.nn.Module): A Hugging Face encoder.
    freeze (str): "none", "embeddings", "all", or "N layers": the embeddings and
        the first N layers. A table of word shapes starts from zero, so "embeddings"
        leaves it free. Frozen layers freeze it too: to train it, the gradient would have
        to pass through them.
    RAISES (ValueError): If there are fewer than N layers, or they share their weights.
    """
    n_frozen = parse_freeze(freeze)
    matches = {name: LAYER.search(name) for name, _ in model.named_parameters()}
    layers = {name: int(match[1]) for name, match in matches.items() if match}
    n_layers = len(set(layers.values()))
    if n_frozen and not n_layers:
        raise ValueError(
            f'`freeze = "{freeze}"`, but the layers of {type(model).__name__} share their '
            'weights or are not numbered. Set `freeze` to "none", "embeddings" or "all".'
        )
    if n_frozen is not None and n_frozen > n_layers:
        raise ValueError(
            f'`freeze = "{freeze}"`, but the encoder has {n_layers} layers. '
            f'Set `freeze` to at most "{n_layers} layers", or to "all".'
        )
    for name, parameter in model.named_parameters():
        is_new = name.endswith(TABLE) and n_frozen == 0
        is_embedding = name not in layers and EMBEDDINGS.search(name) and not is_new
        is_frozen = n_frozen is not None and (is_embedding or layers.get(name, n_layers) < n_frozen)
        parameter.requires_grad = freeze != "all" and not is_frozen
