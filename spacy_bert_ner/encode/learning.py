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

Backprop = Callable[[torch.Tensor], None]


def learn_vectors(
    model: Any,
    buckets: Sequence[Bucket],
    *,
    n_tokens: int,
    width: int,
    pooling: str,
    device: torch.device,
    dtype: torch.dtype,
    threads: int | None = None,
    recomputes: bool = False,
) -> tuple[torch.Tensor, Backprop]:
    """Run buckets through an encoder, and return what takes their gradient.

    On a CPU, the buckets are computed side by side, forward and backward. Their gradients are
    added in order, and each draws its own random numbers, so what is learned does not depend
    on the number of threads, unless there are more threads than buckets: then each bucket
    gets several inside torch, which may change the last bits.

    model (PreTrainedModel): The encoder, in training mode, which it must be in the backward
        pass, too.
    buckets, n_tokens, width, pooling, device: As in `compute_vectors`.
    dtype (torch.dtype): The precision to compute in.
    threads (Optional[int]): Buckets to compute at the same time, as in `count_threads`.
    recomputes (bool): Whether the backward pass computes activations again. It must then draw
        the same numbers, which torch sees to for its default generator only, so the buckets
        are computed one after the other.
    RETURNS (Tuple[torch.Tensor, Callable]): A vector for each token in float32, zeros for a
        token without pieces, and a callback that takes their gradient once and adds to
        that of the weights. Shape: (n_tokens, width).
    """
    is_cpu = device.type == "cpu"
    if is_cpu:
        watch_load()
    n_threads = count_threads(threads) if is_cpu else 1
    n_workers = 1 if recomputes else max(1, min(n_threads, len(buckets)))
    seeds = torch.randint(2**62, (len(buckets),), device="cpu").tolist()

    def run(part: Callable[[int], None]) -> None:
        def run_part(i: int) -> None:
            with _learning(device, seeds[i], by_default=recomputes):
                part(i)

        # A part that runs out of memory is not tried again: the others keep their activations.
        inside = n_threads // n_workers
        run_side_by_side(run_part, len(buckets), threads=n_workers, inside=inside, again=False)

    Y = torch.zeros((n_tokens, width), dtype=torch.float32, device=device)
    placed = place_buckets(buckets, pooling, device)
    with _learning(device):
        X = embed_pieces(model, placed.ids)
    inputs = [part.detach().requires_grad_(part.requires_grad) for part in X]
    outputs: list[Any] = [None] * len(buckets)
    is_low = dtype != torch.float32

    def compute(i: int) -> None:
        # Torch shares its cache of converted weights between threads, and any may clear it.
        with torch.autocast(device.type, dtype, enabled=is_low, cache_enabled=not is_cpu):
            outputs[i] = read_part(model, inputs[i], placed, i)
        Y.index_copy_(0, placed.tokens[i], outputs[i].detach())

    run(compute)

    def backprop(dY: torch.Tensor) -> None:
        parameters = [p for p in model.parameters() if p.requires_grad]
        total = _Gradients(parameters)

        def compute_gradients(i: int) -> None:
            output, outputs[i] = outputs[i], None
            wanted = [*parameters, *([inputs[i]] if inputs[i].requires_grad else [])]
            d_output = dY.index_select(0, placed.tokens[i])
            found = torch.autograd.grad(output, wanted, d_output, allow_unused=True)
            total.add(i, found[: len(parameters)])
            if inputs[i].requires_grad:
                inputs[i].grad = found[-1]

        if any(output is not None and output.requires_grad for output in outputs):
            run(compute_gradients)
        if X and X[0].requires_grad:
            torch.autograd.backward(X, [x.grad for x in inputs])

    return Y, backprop


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
                for p, dp in zip(self._parameters, self._waiting.pop(self._n_added), strict=True):
                    if dp is not None and p.grad is None:
                        p.grad = dp
                    elif dp is not None:
                        p.grad += dp
                self._n_added += 1
