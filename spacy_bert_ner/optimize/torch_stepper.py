"""Weights and gradients by key → one step of a torch optimizer."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .parameter_groups import Key, find_options

# Devices on which torch updates many weights in one pass over the memory.
_FUSED = ("cpu", "cuda")
_BY_NAME = itemgetter(1, 0)

MakeTorch = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


class TorchStepper:
    """Update weights by key, and keep torch's state of each.

    The weights may be different tensors each time. Their state is kept as long as their
    shape stays the same, and follows them to their device.

    make_torch (Callable): Creates torch's optimizer from groups of parameters.
    state_names (Dict[str, str]): Name of each of torch's states → name in `read_state`.
    layer_decay, head_factor, weight_decay (float): As in `find_options`.
    grad_clip (float): The largest norm of the gradients of a step; 0 for no limit.
    average_decay (float): Decay of the averages; 0 for no averages.
    """

    def __init__(
        self,
        make_torch: MakeTorch,
        state_names: dict[str, str],
        *,
        layer_decay: float,
        head_factor: float,
        weight_decay: float,
        grad_clip: float,
        average_decay: float,
    ) -> None:
        """Start without weights."""
        self.encoder_ids: set[int] = set()
        # These share their memory with the weights of the models.
        self.parameters: dict[Key, torch.nn.Parameter] = {}
        self.averages: dict[Key, torch.Tensor] = {}
        self._make_torch = make_torch
        self._state_names = state_names
        self._rates = {"layer_decay": layer_decay, "head_factor": head_factor}
        self._weight_decay = weight_decay
        self._grad_clip = grad_clip or math.inf
        self._average_decay = average_decay
        self._torch: torch.optim.Optimizer | None = None
        self._is_grouped = False
        # States whose weights have not been passed yet.
        self._loaded: dict[Key, dict[str, torch.Tensor]] = {}

    def hold(self, key: Key, weights: torch.Tensor) -> bool:
        """Take weights to update in place.

        key (Tuple[int, str]): The number of the model and the name of the parameter.
        weights (torch.Tensor): The weights.
        RETURNS (bool): Whether the key is new or their shape is unchanged.
        """
        known = self.parameters.get(key)
        is_same = known is None or known.shape == weights.shape
        if known is not None and is_same and known.device == weights.device:
            known.data = weights
            return True
        state = self.read_state(key) if is_same else {}
        self.forget(key)
        self.load_state(key, {name: X.to(weights.device) for name, X in state.items()})
        self.parameters[key] = torch.nn.Parameter(weights, requires_grad=False)
        self._is_grouped = False
        return is_same

    def holds(self, key: Key) -> bool:
        """RETURNS (bool): Whether the weights of a key have been passed."""
        return key in self.parameters

    def read_states(self) -> dict[Key, dict[str, torch.Tensor]]:
        """RETURNS (Dict[Key, Dict[str, torch.Tensor]]): The state of each weight."""
        states = {key: self.read_state(key) for key in {**self.parameters, **self._loaded}}
        return {key: state for key, state in states.items() if state}

    def read_state(self, key: Key) -> dict[str, torch.Tensor]:
        """RETURNS (Dict[str, torch.Tensor]): The state of a weight."""
        state = dict(self._loaded.get(key, {}))
        if self._torch is not None and key in self.parameters:
            kept = self._torch.state.get(self.parameters[key], {})
            names = self._state_names.items()
            state |= {ours: kept[name] for name, ours in names if kept.get(name) is not None}
        if key in self.averages:
            state["average"] = self.averages[key]
        return state

    def load_state(self, key: Key, state: Mapping[str, torch.Tensor]) -> None:
        """Set the state of a weight, which may be passed later."""
        known = self._state_names.values()
        self._loaded[key] = {name: X for name, X in state.items() if name in known}
        if self._average_decay and "average" in state:
            self.averages[key] = state["average"]

    def forget(self, key: Key) -> None:
        """Forget the state of a weight."""
        self._loaded.pop(key, None)
        self.averages.pop(key, None)
        if self._torch is not None and key in self.parameters:
            self._torch.state.pop(self.parameters[key], None)

    @torch.no_grad()
    def step(
        self, gradients: Mapping[Key, torch.Tensor], *, rate: float, n_summed: int, n_steps: int
    ) -> float:
        """Update some weights together, unless their gradients are not finite.

        gradients (Mapping[Tuple[int, str], torch.Tensor]): The sums of their gradients,
            which are changed.
        rate (float): The learning rate.
        n_summed (int): The number of gradients in each sum.
        n_steps (int): The number of this step, counted from 1.
        RETURNS (float): The norm of all mean gradients before clipping.
        """
        optimizer = self._group()
        # Sorted, so that rounding does not depend on the order in which gradients arrive.
        keys = sorted(gradients, key=_BY_NAME)
        parameters = [self.parameters[key] for key in keys]
        for key, parameter in zip(keys, parameters, strict=True):
            parameter.grad = gradients[key].div_(n_summed) if n_summed > 1 else gradients[key]
        norm = float(clip_grad_norm_(parameters, self._grad_clip))
        if math.isfinite(norm):
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            optimizer.step()
            if self._average_decay:
                self._average(keys, n_steps)
        optimizer.zero_grad()
        return norm

    def _group(self) -> torch.optim.Optimizer:
        if self._torch is not None and self._is_grouped:
            return self._torch
        # Layers are counted over all weights seen so far.
        options = find_options(
            {key: parameter.dim() for key, parameter in self.parameters.items()},
            weight_decay=self._weight_decay,
            encoder_ids=self.encoder_ids,
            **self._rates,
        )
        groups: dict[tuple[Any, ...], list[torch.nn.Parameter]] = defaultdict(list)
        for key, parameter in self.parameters.items():
            groups[(*options[key], parameter.device.type in _FUSED)].append(parameter)
        states = {key: self.read_state(key) for key in self.parameters}
        self._torch = self._make_torch(
            [
                {"params": same, "factor": factor, "weight_decay": decay, "fused": is_fused}
                for (factor, decay, is_fused), same in groups.items()
            ]
        )
        for key, state in states.items():
            names = self._state_names.items()
            kept = {name: state[ours] for name, ours in names if ours in state}
            if kept:
                self._torch.state[self.parameters[key]] = kept
            self._loaded.pop(key, None)
        self._is_grouped = True
        return self._torch

    def _average(self, keys: list[Key], n_steps: int) -> None:
        decay = min(self._average_decay, (1 + n_steps) / (10 + n_steps))
        known = [key for key in keys if key in self.averages]
        if known:
            means = [self.averages[key] for key in known]
            get_ema_multi_avg_fn(decay)(means, [self.parameters[key] for key in known], n_steps)
        new = [key for key in keys if key not in self.averages]
        self.averages |= {key: self.parameters[key].data.clone() for key in new}
