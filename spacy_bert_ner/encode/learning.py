"""Buckets of pieces → token vectors, and their gradient → those of the encoder's weights."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ..pieces.windows import Bucket
from .cpu_training import QuickTraining
from .forward import embed_pieces, place_buckets, read_part
from .precision import on_device
from .threads import count_threads, run_side_by_side, watch_load


class LearningPass:
    """Buckets on their way through an encoder and back.

    On a CPU, the buckets are computed side by side, forward and backward. Their gradients are
    added in order, and each draws its own random numbers, so what is learned does not depend
    on the number of threads, unless there are more threads than buckets: then each bucket
    gets several inside torch, which may change the last bits.

    model (PreTrainedModel): The encoder, in training mode in both directions.
    buckets (Sequence[Bucket]): The batch.
    pooling (str): As in `compute_vectors`.
    device (torch.device): Where the encoder is.
    dtype (torch.dtype): The precision to compute in.
    threads (Optional[int]): Buckets to compute at the same time, as in `count_threads`.
    recomputes (bool): Whether the backward pass computes activations again. It must then draw
        the same numbers, which torch sees to for its default generator only, so the buckets
        are computed one after the other.
    """

    def __init__(
        self,
        model: Any,
        buckets: Sequence[Bucket],
        *,
        pooling: str,
        device: torch.device,
        dtype: torch.dtype,
        threads: int | None = None,
        recomputes: bool = False,
    ):
        """Look up the embeddings."""
        self._model, self._device, self._dtype = model, device, dtype
        self._recomputes = recomputes
        self._n_threads = count_threads(threads) if device.type == "cpu" else 1
        n_most = 1 if recomputes else min(self._n_threads, len(buckets))
        self._n_workers = max(1, n_most)
        self._seeds = torch.randint(2**62, (len(buckets),), device="cpu").tolist()
        self._placed = place_buckets(buckets, pooling, device)
        with _learning(device):
            self._X = embed_pieces(model, self._placed.ids)
        # The graph of each bucket begins here, so that it can be gone through by itself.
        self._inputs = [part.detach().requires_grad_(part.requires_grad) for part in self._X]
        self._outputs: list[torch.Tensor] = [torch.empty(0)] * len(buckets)

    def read(self, n_tokens: int, width: int) -> torch.Tensor:
        """Compute token vectors.

        n_tokens (int): The number of tokens in the batch.
        width (int): The encoder's width.
        RETURNS (torch.Tensor): A vector for each token in float32, zeros for a token without
            pieces. Shape: (n_tokens, width).
        """
        is_cpu = self._device.type == "cpu"
        if is_cpu:
            watch_load()
        Y = torch.zeros((n_tokens, width), dtype=torch.float32, device=self._device)
        # Torch shares its cache of converted weights between threads, and any may clear it.
        options = {"enabled": self._dtype != torch.float32, "cache_enabled": not is_cpu}

        def read(i: int) -> None:
            with torch.autocast(self._device.type, self._dtype, **options):
                self._outputs[i] = read_part(self._model, self._inputs[i], self._placed, i)
            Y.index_copy_(0, self._placed.tokens[i], self._outputs[i].detach())

        self._run(read)
        return Y

    def backprop(self, dY: torch.Tensor) -> None:
        """Add to the gradients of the weights, once.

        dY (torch.Tensor): The gradient of the token vectors. Shape: (n_tokens, width).
        """
        parameters = [p for p in self._model.parameters() if p.requires_grad]
        total = _Gradients(parameters)

        def backprop(i: int) -> None:
            output, self._outputs[i] = self._outputs[i], torch.empty(0)
            X = self._inputs[i]
            d_output = dY.index_select(0, self._placed.tokens[i])
            if self._n_workers == 1:  # Torch adds them in order, and needs less memory.
                torch.autograd.backward(output, d_output)
                return
            wanted = [*parameters, X] if X.requires_grad else parameters
            found = torch.autograd.grad(output, wanted, d_output, allow_unused=True)
            total.add(i, found[: len(parameters)])
            X.grad = found[-1] if X.requires_grad else None

        if self._outputs and self._outputs[0].requires_grad:
            self._run(backprop)
        if self._X and self._X[0].requires_grad:
            torch.autograd.backward(self._X, [X.grad for X in self._inputs])

    def _run(self, compute: Callable[[int], None]) -> None:
        def run(i: int) -> None:
            with _learning(self._device, self._seeds[i], by_default=self._recomputes):
                compute(i)

        # A part that runs out of memory is not tried again: the others keep their activations.
        run_side_by_side(
            run,
            len(self._inputs),
            threads=self._n_workers,
            inside=self._n_threads // self._n_workers,
            again=False,
        )


@contextlib.contextmanager
def _learning(
    device: torch.device, seed: int | None = None, *, by_default: bool = False
) -> Iterator[None]:
    # The modes of torch belong to a thread. A GPU draws from its own generator.
    with contextlib.ExitStack() as stack:
        for context in (torch.inference_mode(False), torch.enable_grad(), on_device(device)):
            stack.enter_context(context)
        if device.type == "cpu":
            generator = torch.Generator()
            if by_default:
                stack.enter_context(torch.random.fork_rng(devices=()))
                generator = torch.default_generator
            if seed is not None:
                generator.manual_seed(seed)
            stack.enter_context(QuickTraining(generator))
        yield


class _Gradients:
    # The gradients of the parts → their sum, in the order of the parts, in the parameters.

    def __init__(self, parameters: Sequence[torch.nn.Parameter]):
        self._parameters = parameters
        self._waiting: dict[int, Sequence[torch.Tensor | None]] = {}
        self._n_added = 0
        self._lock = threading.Lock()

    def add(self, i: int, gradients: Sequence[torch.Tensor | None]) -> None:
        with self._lock, torch.no_grad():
            self._waiting[i] = gradients
            while self._n_added in self._waiting:
                found = self._waiting.pop(self._n_added)
                self._n_added += 1
                taken: set[int] = set()
                for p, dp in zip(self._parameters, found, strict=True):
                    if dp is not None and p.grad is not None:
                        p.grad += dp
                    elif dp is not None:
                        # Optimizers expect it in the order of the weights, and its own.
                        is_own = dp.stride() == p.stride() and dp.data_ptr() not in taken
                        p.grad = dp if is_own else torch.empty_like(p).copy_(dp)
                        taken.add(dp.data_ptr())
