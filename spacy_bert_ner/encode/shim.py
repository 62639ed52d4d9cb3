"""Buckets of pieces → token vectors and updated weights: the encoder as thinc sees it."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from thinc.api import Optimizer, PyTorchGradScaler, PyTorchShim, torch2xp, xp2torch
from thinc.shims.shim import Shim
from thinc.types import Floats2d
from thinc.util import get_torch_default_device

from ..optimize.joint_optimizer import JointOptimizer
from ..pieces.table import WordTable
from ..pieces.windows import Bucket
from .checkpoint import Checkpoint
from .cpu_training import make_checkpoint_contexts
from .fork import use_one_thread_in_a_fork
from .forward import compute_vectors, freeze_parameters
from .handover import Handover
from .learning import LearningPass
from .memory import TO_PREDICT, TO_TRAIN, explained_memory
from .precision import copy_in_precision, find_dtype, on_device, predicting
from .saved import bytes_to_checkpoint, checkpoint_to_bytes
from .settings import Settings
from .shaped_embedding import make_shaped
from .torch_params import exchanged_params, making_modules


class EncoderShim(PyTorchShim):
    """Hold the encoder; run, update, save and load it.

    Outside an update the encoder is always in evaluation mode, and prediction changes
    only caches that can be replaced, so any number of threads can predict at once. The
    optimizer knows each parameter as `(shim.id, Hugging Face's name)`.

    settings (Settings): The settings of the architecture.
    """

    def __init__(self, settings: Settings):
        """Start without an encoder; `load` and `from_bytes` bring one."""
        super().__init__(None, grad_scaler=PyTorchGradScaler(enabled=False))
        self.settings = settings
        self.checkpoint: Checkpoint | None = None
        self.table: WordTable | None = None
        self._low_model: torch.nn.Module | None = None
        self.size = self.context = 0
        self.handover = Handover()

    def __getstate__(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What pickle and deepcopy keep: all but the caches."""
        return {**self.__dict__, "_low_model": None, "handover": Handover()}

    def copy(self) -> "EncoderShim":
        """RETURNS (EncoderShim): A copy with its own number for the optimizer."""
        copied = copy.deepcopy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        return copied

    @property
    def dtype(self) -> torch.dtype:
        """RETURNS (torch.dtype): The precision that the encoder computes in."""
        return find_dtype(self.settings.precision, self.device)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self._model.config.hidden_size

    @making_modules()
    def load(self, checkpoint: Checkpoint) -> None:
        """Take an encoder, move it to the current device and freeze it as configured.

        checkpoint (Checkpoint): The encoder with its tokenizer.
        RAISES (ValueError): If `freeze` or `window` does not fit the encoder.
        """
        device = get_torch_default_device()
        model = cast(Any, checkpoint.model).to(device).eval()
        freeze_parameters(model, self.settings.freeze)
        if self.settings.gradient_checkpointing:
            model.gradient_checkpointing_enable(
                {"use_reentrant": False, "context_fn": make_checkpoint_contexts}
            )
        cutter = checkpoint.cutter
        self.size, self.context = self.settings.find_sizes(checkpoint.limit, cutter.n_special)
        cut = make_shaped(model, cutter, unknown=cutter.unknown) if self.settings.shapes else cutter
        self.table = WordTable(
            cut,
            unknown=cutter.unknown,
            limit=self.size,
            has_blanks=cutter.has_blanks,
            first_has_blank=cutter.first_has_blank,
        )
        self.checkpoint, self._model, self._low_model = checkpoint, model, None
        self._grad_scaler = PyTorchGradScaler(device.type == "cuda" and self.dtype == torch.float16)
        self._grad_scaler.to_(device)

    def require(self) -> tuple[Checkpoint, WordTable]:
        """Return the encoder, which must have been loaded.

        RETURNS (Tuple[Checkpoint, WordTable]): The encoder and its table of words.
        RAISES (ValueError): If there is no encoder yet.
        """
        if self.checkpoint is None or self.table is None:
            raise ValueError(
                "The transformer model has no weights yet. Train the pipeline with `spacy train`, "
                "load a trained pipeline, or call `nlp.initialize`, which reads "
                f"{self.settings.name}."
            )
        return self.checkpoint, self.table

    def __call__(
        self, inputs: tuple[Sequence[Bucket], int], is_train: bool
    ) -> tuple[Floats2d, Callable[[Floats2d], None]]:
        """Compute token vectors.

        inputs (Tuple[Sequence[Bucket], int]): The batch and its number of tokens.
        is_train (bool): Whether gradients will follow.
        RETURNS (Tuple[Floats2d, Callable]): A vector for each token, zeros for a
            token without pieces, and a callback that takes their gradient. Shape:
            (n_tokens, width).
        RAISES (MemoryError): If a single window does not fit into memory.
        """
        if is_train and self.settings.freeze != "all":
            return self._encode_to_update(*inputs)
        self.handover.settle()
        use_one_thread_in_a_fork()
        with predicting(self.device), explained_memory(TO_PREDICT):
            Y = self._run(self._get_model_to_predict(), *inputs)
        return cast(Floats2d, torch2xp(Y)), _ignore_gradient

    def _encode_to_update(
        self, buckets: Sequence[Bucket], n_tokens: int
    ) -> tuple[Floats2d, Callable[[Floats2d], None]]:
        # float16 needs a gradient scaler, which exists for CUDA only.
        is_mixed = self.dtype == torch.bfloat16 or self._grad_scaler._enabled
        with self._training():
            learning = LearningPass(
                self._model,
                buckets,
                pooling=self.settings.pooling,
                device=self.device,
                dtype=self.dtype if is_mixed else torch.float32,
                threads=self.settings.threads,
                recomputes=self.settings.gradient_checkpointing,
            )
            Y = learning.read(n_tokens, self.width)

        def backprop(dY: Floats2d) -> None:
            with self._training():
                learning.backprop(self._grad_scaler.scale(xp2torch(dY, device=self.device)))
            optimizer = self.handover.end()
            if optimizer is not None:
                self.finish_update(optimizer)

        return cast(Floats2d, torch2xp(Y)), backprop

    @torch.inference_mode(False)
    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights and clear their gradients.

        `nlp.update` calls this before the listening components have learned. In that
        case the weights are updated as soon as their gradient arrives.

        optimizer (Optimizer): Called with each parameter and its gradient.
        """
        self.handover.wait(optimizer)
        parameters = () if self._model is None else self._model.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        self._grad_scaler.unscale(gradients)
        if isinstance(optimizer, JointOptimizer) and not self._grad_scaler.found_inf:
            optimizer.add_parameters(self.id, self._model.named_parameters())
            self._grad_scaler.update()
        else:
            super().finish_update(optimizer)
        for parameter in self._model.parameters():
            parameter.grad = None
        self._low_model = None

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Compute with other weights inside the context.

        params (Dict): Weights by the optimizer's keys; other weights do not change.
        """
        self.handover.settle()
        named = [] if self._model is None else self._model.named_parameters()
        self._low_model = None
        try:
            with exchanged_params(self.id, named, params):
                yield
        finally:
            self._low_model = None

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the encoder, and drop its copy in low precision.

        device_type (str): "cpu" or "gpu".
        device_id (int): The number of the GPU.
        """
        super().to_device(device_type, device_id)
        self._low_model = None

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The encoder as safetensors; empty if none is loaded."""
        if self.checkpoint is None:
            return b""
        self.handover.settle()
        return checkpoint_to_bytes(self.checkpoint, pooling=self.settings.pooling)

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        """Load what `to_bytes` returned onto the current device.

        bytes_data (bytes): A safetensors file.
        RETURNS (EncoderShim): This shim.
        RAISES (ValueError): If the bytes are not an encoder of ours.
        """
        if bytes_data:
            settings = self.settings
            self.load(bytes_to_checkpoint(bytes_data, pooling=settings.pooling, **settings.reading))
        return self

    def _run(
        self, model: torch.nn.Module, buckets: Sequence[Bucket], n_tokens: int
    ) -> torch.Tensor:
        with on_device(self.device):
            return compute_vectors(
                model,
                buckets,
                n_tokens=n_tokens,
                width=self.width,
                pooling=self.settings.pooling,
                device=self.device,
                threads=self.settings.threads,
            )

    @contextlib.contextmanager
    def _training(self) -> Iterator[None]:
        self._model.train()
        try:
            with torch.inference_mode(False), torch.enable_grad(), explained_memory(TO_TRAIN):
                yield
        finally:
            self._model.eval()

    def _get_model_to_predict(self) -> torch.nn.Module:
        if self.dtype == torch.float32:
            return self._model
        low_model = self._low_model
        if low_model is None:
            low_model = copy_in_precision(self._model, self.dtype)
            self._low_model = low_model
        return low_model


def _ignore_gradient(dY: Floats2d) -> None:
    pass
