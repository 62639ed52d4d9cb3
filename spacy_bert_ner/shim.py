"""Buckets of pieces → token vectors in torch: precision, devices, updates, saving."""

import contextlib
import copy
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from thinc.api import Optimizer, PyTorchGradScaler, PyTorchShim, torch2xp, xp2torch
from thinc.shims.shim import Shim
from thinc.types import Floats2d
from thinc.util import get_torch_default_device

from .checkpoint import Checkpoint, bytes_to_checkpoint, checkpoint_to_bytes
from .pieces import WordTable, gather_ragged
from .settings import Settings, parse_freeze
from .windows import Bucket

# Most pieces that the encoder computes at once: on a processor, about what its
# caches hold; on a GPU, enough to keep it busy.
BATCH_PIECES = {"cpu": 1024, "cuda": 32_768}


class EncoderShim(PyTorchShim):
    """Holds the encoder, runs buckets through it, updates, saves and loads it.

    Outside an update the encoder is always in evaluation mode, and predicting
    changes nothing but replaceable caches: any number of threads may do it at once.
    Parameters are known to the optimizer as `(shim.id, Hugging Face's name)`.

    settings (Settings): Precision, pooling and what is trained.
    """

    def __init__(self, settings: Settings):
        """Start without an encoder; `load` or `from_bytes` brings it."""
        super().__init__(None, grad_scaler=PyTorchGradScaler(enabled=False))
        self.settings = settings
        self.checkpoint: Checkpoint | None = None
        self.table: WordTable | None = None
        self.size, self.context = 0, 0
        self._low_model: torch.nn.Module | None = None
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What pickle and deepcopy keep: not the caches."""
        return {**self.__dict__, "_low_model": None}

    def copy(self) -> "EncoderShim":
        """RETURNS (EncoderShim): A copy that the optimizer can tell from this one."""
        copied = copy.deepcopy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        return copied

    @property
    def dtype(self) -> torch.dtype:
        """RETURNS (torch.dtype): What the encoder computes in on its device."""
        return find_dtype(self.settings.compute_dtype, self.device)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self._model.config.hidden_size

    @property
    def batch_pieces(self) -> int:
        """RETURNS (int): Most pieces that the encoder computes at once."""
        return self.settings.batch_pieces or BATCH_PIECES.get(self.device.type, 1024)

    def load(self, checkpoint: Checkpoint) -> None:
        """Take an encoder, and freeze and place it as the settings say.

        checkpoint (Checkpoint): The encoder and what belongs to it.
        RAISES (ValueError): If there are fewer layers than should be frozen.
        """
        device = get_torch_default_device()
        model = checkpoint.model.to(device).eval()
        freeze_parameters(model, self.settings.freeze)
        if self.settings.gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        n_special = len(checkpoint.prefix) + len(checkpoint.suffix)
        self.size, self.context = self.settings.find_sizes(checkpoint.limit, n_special)
        self.table = WordTable(
            checkpoint.encode_words,
            unknown=checkpoint.unknown,
            limit=self.size,
            has_blanks=checkpoint.has_blanks,
            first_has_blank=checkpoint.first_has_blank,
        )
        self.checkpoint = checkpoint
        self._model = model
        self._low_model = None
        needs_scaler = device.type == "cuda" and self.dtype == torch.float16
        self._grad_scaler = PyTorchGradScaler(enabled=needs_scaler)
        self._grad_scaler.to_(device)

    def __call__(
        self, inputs: tuple[Sequence[Bucket], int], is_train: bool
    ) -> tuple[Floats2d, Callable[[Floats2d], None]]:
        """Give token vectors.

        inputs (Tuple[Sequence[Bucket], int]): The batch, and its number of tokens.
        is_train (bool): Whether gradients will follow.
        RETURNS (Tuple[Floats2d, Callable]): A vector for each token, zeros for a
            token without pieces, and a callback that takes their gradient. Shape:
            (n_tokens, width).
        """
        if is_train and self.settings.freeze != "all":
            return self._encode_to_update(*inputs)
        return self._encode(*inputs), _ignore_gradient

    def _encode(self, buckets: Sequence[Bucket], n_tokens: int) -> Floats2d:
        if os.getpid() != self._process:
            # a forked worker hangs if torch starts more threads than one
            torch.set_num_threads(1)
            self._process = os.getpid()
        with torch.no_grad():
            return torch2xp(self._run(self._get_model_to_predict(), buckets, n_tokens))

    def _encode_to_update(
        self, buckets: Sequence[Bucket], n_tokens: int
    ) -> tuple[Floats2d, Callable[[Floats2d], None]]:
        # float16 needs a scaler for its gradients, which there is for CUDA only
        is_mixed = self.dtype == torch.bfloat16 or self._grad_scaler._enabled
        with self._training(), torch.autocast(self.device.type, self.dtype, enabled=is_mixed):
            Y = self._run(self._model, buckets, n_tokens)

        def backprop(dY: Floats2d) -> None:
            gradient = self._grad_scaler.scale(xp2torch(dY, device=self.device))
            with self._training():
                Y.backward(gradient)

        return torch2xp(Y.detach()), backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights and clear their gradients.

        optimizer (Optimizer): Called with each parameter and its gradient.
        """
        if self._model is None:
            return
        gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
        self._grad_scaler.unscale(gradients)
        super().finish_update(optimizer)
        self._low_model = None

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Compute with other weights for a while.

        params (Dict): Weights by the optimizer's keys; others are left alone.
        """
        named = [] if self._model is None else self._model.named_parameters()
        changed = [(p, p.data, params[self.id, n]) for n, p in named if (self.id, n) in params]
        for parameter, _, data in changed:
            parameter.data = xp2torch(data, device=parameter.device).to(parameter.dtype)
        self._low_model = None
        try:
            yield
        finally:
            for parameter, data, _ in changed:
                parameter.data = data
            self._low_model = None

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the encoder; the low-precision copy is made again there.

        device_type (str): "cpu" or "gpu".
        device_id (int): Which GPU.
        """
        super().to_device(device_type, device_id)
        self._low_model = None

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The encoder as safetensors; empty if there is none yet."""
        return b"" if self.checkpoint is None else checkpoint_to_bytes(self.checkpoint)

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        """Load what `to_bytes` gave, onto the present device.

        bytes_data (bytes): A safetensors file.
        RETURNS (EncoderShim): This shim.
        RAISES (ValueError): If the bytes are something else.
        """
        if bytes_data:
            self.load(
                bytes_to_checkpoint(
                    bytes_data,
                    attention=self.settings.attention,
                    dropout=self.settings.dropout,
                )
            )
        return self

    @contextlib.contextmanager
    def _training(self) -> Iterator[None]:
        self._model.train()
        try:
            yield
        finally:
            self._model.eval()

    def _get_model_to_predict(self) -> torch.nn.Module:
        if self.dtype == torch.float32:
            return self._model
        low_model = self._low_model
        if low_model is None:
            low_model = copy.deepcopy(self._model).to(self.dtype)
            self._low_model = low_model
        return low_model

    def _run(
        self, model: torch.nn.Module, buckets: Sequence[Bucket], n_tokens: int
    ) -> torch.Tensor:
        # shape: (n_tokens, width)
        Y = torch.zeros((n_tokens, self.width), device=self.device)
        rows = [_find_rows(bucket, self.settings.pooling) for bucket in buckets]
        parts = [
            (bucket.ids.ravel(), bucket.lengths, bucket.tokens, *bucket_rows)
            for bucket, bucket_rows in zip(buckets, rows, strict=True)
        ]
        for bucket, arrays in zip(buckets, _copy_to_device(parts, self.device), strict=True):
            ids, lengths, tokens, *bucket_rows = arrays
            is_padded = bool((bucket.lengths != bucket.ids.shape[1]).any())
            X = read_bucket(model, ids.view(bucket.ids.shape), lengths if is_padded else None)
            pooled = _pool(X.reshape(-1, X.shape[-1]), bucket_rows)
            Y.index_copy_(0, tokens, pooled.float())
        return Y


def read_bucket(
    model: torch.nn.Module, ids: torch.Tensor, lengths: torch.Tensor | None
) -> torch.Tensor:
    """Run the encoder; when a GPU's memory does not suffice, in two halves.

    model (torch.nn.Module): A Hugging Face encoder.
    ids (torch.Tensor): Piece ids. Shape: (n_windows, n_columns).
    lengths (Optional[torch.Tensor]): Pieces of each window; None if all are full.
    RETURNS (torch.Tensor): A vector for each piece. Shape: (n_windows, n_columns, width).
    RAISES (MemoryError): If a half does not fit either.
    """
    try:
        return _read(model, ids, lengths)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
    n_rows = len(ids) // 2
    halves = [(ids[:n_rows], lengths if lengths is None else lengths[:n_rows])]
    halves.append((ids[n_rows:], lengths if lengths is None else lengths[n_rows:]))
    try:
        return torch.cat([_read(model, *half) for half in halves if len(half[0])])
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(
            f"The GPU's memory does not suffice for {len(ids)} windows of {ids.shape[1]} pieces, nor "
            f"for half of them. Set `batch_pieces` of the transformer model below {ids.numel()} "
            f"(or `window` below {ids.shape[1]} where one window is too much)."
        ) from error


def _read(
    model: torch.nn.Module, ids: torch.Tensor, lengths: torch.Tensor | None
) -> torch.Tensor:
    if lengths is None:
        return model(input_ids=ids).last_hidden_state
    columns = torch.arange(ids.shape[1], device=ids.device)
    mask = (columns < lengths[:, None]).long()
    return model(input_ids=ids, attention_mask=mask).last_hidden_state


def _find_rows(bucket: Bucket, pooling: str) -> tuple[np.ndarray, ...]:
    # rows of the flattened pieces to take; for the mean, also where each token's begin
    if pooling == "first":
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
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float16
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        if has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"):
            return torch.bfloat16
    return torch.float32


def freeze_parameters(model: torch.nn.Module, freeze: str) -> None:
    """Keep some of the encoder's weights as they are.

    model (torch.nn.Module): A Hugging Face encoder.
    freeze (str): "none", "embeddings", "all", or "N layers": the embeddings and
        the first N layers.
    RAISES (ValueError): If there are fewer than N layers.
    """
    n_layers = parse_freeze(freeze)
    prefixes = [] if n_layers is None else ["embeddings"]
    lists = [(n, m) for n, m in model.named_modules() if isinstance(m, torch.nn.ModuleList)]
    if n_layers:
        total = model.config.num_hidden_layers
        if n_layers > total:
            raise ValueError(
                f'freeze = "{freeze}", but the encoder has {total} layers. '
                f'Set at most "{total} layers", or "all".'
            )
        name = next(n for n, m in lists if len(m) == total)
        prefixes += [f"{name}.{i}." for i in range(n_layers)]
    for name, parameter in model.named_parameters():
        parameter.requires_grad = freeze != "all" and not name.startswith(tuple(prefixes))


def _ignore_gradient(dY: Floats2d) -> None:
    pass
