"""The weights of a torch module ↔ others, for as long as a context lasts."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from thinc.api import ArgsKwargs, Optimizer, PyTorchShim, xp2torch

from ..optimize.parameter_groups import Key
from .threads import threads_inside

_lock = threading.RLock()


@contextlib.contextmanager
def making_modules() -> Iterator[None]:
    """Make or load torch modules in one thread at a time, whatever torch's modes are.

    While transformers reads weights, it patches torch, so that modules of every thread get
    no data. Two threads that do so at once leave the patch in place for ever.
    """
    with _lock, torch.inference_mode(False), torch.device("cpu"):
        yield


@contextlib.contextmanager
def exchanged_params(
    shim_id: int, named: Iterable[tuple[str, torch.nn.Parameter]], params: Mapping[Key, Any]
) -> Iterator[None]:
    """Replace the weights of a module, and restore them at the end.

    shim_id (int): Number of the shim that holds the module.
    named (Iterable[Tuple[str, torch.nn.Parameter]]): What `named_parameters()` gives.
    params (Mapping[Tuple[int, str], FloatsXd]): Weights by the optimizer's keys;
        parameters without an entry are not changed.
    """
    changed = [(p, p.data, params[shim_id, n]) for n, p in named if (shim_id, n) in params]
    for parameter, _, data in changed:
        parameter.data = xp2torch(data, device=parameter.device).to(parameter.dtype)
    try:
        yield
    finally:
        for parameter, data, _ in changed:
            parameter.data = data


@contextlib.contextmanager
def plain_modes() -> Iterator[None]:
    """Compute with gradients and in float32, whatever modes the calling thread has set."""
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        yield


class TorchShim(PyTorchShim):
    """Hold a torch module for thinc, and let averaged weights reach it.

    thinc's own shim looks for keys that no optimizer uses. To predict, the module uses
    the calling thread only: it is small, and on a busy machine more threads would mostly
    wait for each other.
    """

    def predict(self, inputs: ArgsKwargs) -> Any:
        """RETURNS (Any): What the module gives for these inputs."""
        with threads_inside(1):
            return super().predict(inputs)

    @torch.inference_mode(False)
    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights; see `PyTorchShim.finish_update`."""
        super().finish_update(optimizer)

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Compute with other weights inside the context.

        params (Dict): Weights by the optimizer's keys; other weights do not change.
        """
        with exchanged_params(self.id, self._model.named_parameters(), params):
            yield
