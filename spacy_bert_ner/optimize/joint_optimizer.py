"""Gradients of all weights → one step together, clipped by their global norm."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from thinc.api import Optimizer, get_array_module, torch2xp, xp2torch
from thinc.optimizers import FloatOrSeq
from thinc.types import FloatsXd, Generator
from thinc.util import get_torch_default_device

from .parameter_groups import Key, Options, find_options

# Where torch steps many weights in one pass over the memory.
_FUSED = ("cpu", "cuda")


class StepSettings(NamedTuple):
    """What the weights of one group have in common in a step.

    learn_rate (float): Their learning rate.
    decay (float): Their weight decay.
    divisor (float): What their gradients are to be divided by.
    device (torch.device): Where they are.
    """

    learn_rate: float
    decay: float
    divisor: float
    device: torch.device

    @property
    def is_fused(self) -> bool:
        """RETURNS (bool): Whether torch has a fused step for the device."""
        return self.device.type in _FUSED

    @property
    def grad_scale(self) -> torch.Tensor | None:
        """RETURNS (torch.Tensor | None): The divisor, as the fused step takes it."""
        if not self.is_fused or self.divisor == 1:
            return None
        return torch.tensor(self.divisor, dtype=torch.float32, device=self.device)


class JointOptimizer(Optimizer):
    """Collects the gradients of a batch and steps all weights at once.

    thinc hands over one parameter after the other, as arrays; a shim of torch
    weights can hand over all of its own by `add_parameters`, without a copy.
    Either way nothing changes before `step_schedules`, so that the norm that is
    clipped is that of all gradients. Weights are changed where they lie.
    """

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        weight_decay: float,
        layer_decay: float = 1.0,
        head_factor: float = 1.0,
        grad_clip: float = 1.0,
        accumulate_batches: int = 1,
        average_decay: float = 0.0,
    ) -> None:
        """Start without weights; see `make_adamw_v1` for the settings."""
        if accumulate_batches < 1:
            raise ValueError(
                f"accumulate_batches = {accumulate_batches}, expected at least 1 (a step for "
                "each batch)."
            )
        if not 0 <= average_decay < 1:
            raise ValueError(
                f"average_decay = {average_decay}, expected 0 (no averages) or a share below 1, "
                "such as 0.99."
            )
        self._rate: float | None = None
        super().__init__(0.0, grad_clip=grad_clip, L2=weight_decay, use_averages=False)
        self.layer_decay = layer_decay
        self.head_factor = head_factor
        self.accumulate_batches = accumulate_batches
        self.average_decay = average_decay
        # Arrays on the tensors of the state, for `nlp.use_params`.
        self.averages: dict[Key, FloatsXd] | None = {} if average_decay else None
        # What each weight needs to be remembered by, as the subclass says.
        self.state: dict[Key, dict[str, torch.Tensor]] = {}
        self.n_batches = 0
        self._parameters: dict[Key, torch.Tensor] = {}
        self._gradients: dict[Key, torch.Tensor] = {}
        self._batch_keys: set[Key] = set()
        self._n_dims: dict[Key, int] = {}
        self._options: dict[Key, Options] = {}
        if isinstance(learn_rate, float | int):
            self.learn_rate = float(learn_rate)
        else:
            self.schedules["learn_rate"] = cast(Generator, iter(learn_rate))
            self._rate = None

    @property
    def learn_rate(self) -> float:
        """RETURNS (float): The rate of the present batch.

        A schedule is asked when its first rate is needed, and not before.
        """
        if self._rate is None:
            self._rate = float(next(self.schedules["learn_rate"]))
        return self._rate

    @learn_rate.setter
    def learn_rate(self, value: float) -> None:
        self._rate = value

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Take the gradient of one array of weights.

        key (Tuple[int, str]): Number of the model and name of the parameter.
        weights (FloatsXd): The weights.
        gradient (FloatsXd): Their gradient; it is cleared.
        lr_scale (float): What the gradient is multiplied with.
        RETURNS (Tuple[FloatsXd, FloatsXd]): The weights, still unchanged, and the
            cleared gradient.
        """
        if len(gradient) < 1:
            return weights, gradient
        xp = get_array_module(weights)
        weights = xp.ascontiguousarray(weights)
        if xp is np and not weights.flags.writeable:
            weights = weights.copy()
        self._take(key, xp2torch(weights), xp2torch(gradient) * lr_scale)
        gradient.fill(0)
        return weights, gradient

    def add_parameters(
        self, model_id: int, parameters: Iterable[tuple[str, torch.nn.Parameter]]
    ) -> None:
        """Take the gradients of torch parameters, all at once and without a copy.

        model_id (int): Number of the shim.
        parameters (Iterable[Tuple[str, torch.nn.Parameter]]): What
            `module.named_parameters()` gives. Each `grad` is `None` afterwards.
        """
        for name, parameter in parameters:
            if parameter.grad is not None:
                self._take((model_id, name), parameter, parameter.grad)
                parameter.grad = None

    @torch.no_grad()
    def _take(self, key: Key, parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        if key in self._batch_keys:
            raise ValueError(
                f"A second gradient of the parameter {key[1]!r} (model {key[0]}) came before the "
                "step of the first. All weights step together: call "
                "`optimizer.step_schedules()` after each `nlp.update(...)`, as `spacy train` does."
            )
        self._batch_keys.add(key)
        self._parameters[key] = parameter
        if key in self._gradients:
            self._gradients[key] += gradient
        else:
            self._gradients[key] = gradient

    @torch.no_grad()
    def step_schedules(self) -> None:
        """Step the weights, if this batch completes a step, and the schedules.

        RAISES (ValueError): If the gradients are not finite numbers.
        """
        rate = self.learn_rate
        self._batch_keys.clear()
        self.n_batches += 1
        if self.n_batches % self.accumulate_batches == 0 and self._gradients:
            self._step(rate)
        super().step_schedules()

    def get_state(self) -> dict[Key, dict[str, torch.Tensor]]:
        """RETURNS (Dict[Key, Dict[str, torch.Tensor]]): What to save of each weight."""
        keys = [*self.state, *(key for key in self._gradients if key not in self.state)]
        state = {key: dict(self.state.get(key, {})) for key in keys}
        for key, gradient in self._gradients.items():
            state[key]["gradient"] = gradient
        return state

    def set_state(self, state: dict[Key, dict[str, torch.Tensor]], *, n_batches: int) -> None:
        """Go on where another optimizer stopped.

        state (Dict[Key, Dict[str, torch.Tensor]]): What `get_state` gave.
        n_batches (int): The batches that it had seen.
        """
        device = get_torch_default_device()
        for key, tensors in state.items():
            moved = {kind: X.to(device) for kind, X in tensors.items()}
            if "gradient" in moved:
                self._gradients[key] = moved.pop("gradient")
            if moved:
                self.state[key] = moved
            if self.averages is not None and "average" in moved:
                self.averages[key] = cast(FloatsXd, torch2xp(moved["average"]))
        self.n_batches = n_batches

    def _step(self, rate: float) -> None:
        norm = float(torch.nn.utils.get_total_norm(self._gradients.values()))
        if not math.isfinite(norm):
            raise ValueError(
                f"The gradients of batch {self.n_batches} (counted from 1) have the norm {norm}, "
                "expected a finite number. The weights are those of the batch before, and "
                "model-best is untouched. Lower the learning rate, warm up for longer, or train "
                "without mixed precision."
            )
        norm /= self.accumulate_batches
        is_clipped = self.grad_clip and norm > self.grad_clip
        clip = self.grad_clip / (norm + 1e-6) if is_clipped else 1.0
        self._set_options()
        groups: dict[tuple[Any, ...], list[Key]] = defaultdict(list)
        for key, parameter in self._parameters.items():
            groups[(*self._options[key], parameter.device)].append(key)
        for (factor, decay, device), keys in groups.items():
            divisor = self.accumulate_batches / clip
            self._step_group(keys, StepSettings(rate * factor, decay, divisor, device))
        if self.averages is not None:
            self._average(self.averages)
        self._parameters.clear()
        self._gradients.clear()

    def _average(self, averages: dict[Key, FloatsXd]) -> None:
        n_steps = self.n_batches // self.accumulate_batches
        decay = min(self.average_decay, (1 + n_steps) / (10 + n_steps))
        for key, parameter in self._parameters.items():
            state = self.state.setdefault(key, {})
            if "average" in state:
                state["average"].lerp_(parameter.data, 1 - decay)
            else:
                state["average"] = parameter.data.clone()
                averages[key] = cast(FloatsXd, torch2xp(state["average"]))

    def _set_options(self) -> None:
        if self._parameters.keys() <= self._n_dims.keys():
            return
        # Layers are counted over everything seen so far.
        self._n_dims |= {key: parameter.dim() for key, parameter in self._parameters.items()}
        self._options = find_options(
            self._n_dims,
            layer_decay=self.layer_decay,
            head_factor=self.head_factor,
            weight_decay=self.L2,
        )

    def _step_group(self, keys: list[Key], settings: StepSettings) -> None:
        """Step some weights that share their settings, as the subclass does it."""
        raise NotImplementedError

    def _get_tensors(
        self, keys: list[Key], settings: StepSettings
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Give weights and gradients; divided already where torch cannot fuse it."""
        gradients = [self._gradients[key] for key in keys]
        if not settings.is_fused and settings.divisor != 1:
            for gradient in gradients:
                gradient.div_(settings.divisor)
        return [self._parameters[key].data for key in keys], gradients
