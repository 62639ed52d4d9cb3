"""Weights of torch modules that thinc can exchange for a while."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from thinc.api import PyTorchShim, xp2torch

from ..optimize.parameter_groups import Key


@contextlib.contextmanager
def exchanged_params(
    shim_id: int, named: Iterable[tuple[str, torch.nn.Parameter]], params: Mapping[Key, Any]
) -> Iterator[None]:
    """Put other weights into a module, and its own back at the end.

    shim_id (int): Number of the shim that holds the module.
    named (Iterable[Tuple[str, torch.nn.Parameter]]): What `named_parameters()` gives.
    params (Mapping[Tuple[int, str], FloatsXd]): Weights by the optimizer's keys;
        parameters that have none here are left alone.
    """
    changed = [(p, p.data, params[shim_id, n]) for n, p in named if (shim_id, n) in params]
    for parameter, _, data in changed:
        parameter.data = xp2torch(data, device=parameter.device).to(parameter.dtype)
    try:
        yield
    finally:
        for parameter, data, _ in changed:
            parameter.data = data


class TorchShim(PyTorchShim):
    """Holds a torch module for thinc; averaged weights reach it.

    thinc's own shim looks for names that no optimizer gives.
    """

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Compute with other weights for a while.

        params (Dict): Weights by the optimizer's keys; others are left alone.
        """
        with exchanged_params(self.id, self._model.named_parameters(), params):
            yield
