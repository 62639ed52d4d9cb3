"""The gradients of all weights → one joint step, clipped by their global norm."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import numpy as np
import torch
from thinc.api import Optimizer, get_array_module, torch2xp
from thinc.optimizers import FloatOrSeq
from thinc.types import FloatsXd, Generator

from ..ranges import check_range
from .parameter_groups import Key
from .torch_stepper import MakeTorch, TorchStepper


class JointOptimizer(Optimizer):
    """Update the weights of a pipeline with one of torch's optimizers.

    thinc passes one parameter after the other, as arrays; a shim of torch weights can
    pass all of its own with `add_parameters`, without a copy.

    If the loop calls `step_schedules` after each batch, as `spacy train` does, all weights
    are updated together then, clipped by the norm of all gradients. If it never does,
    each array is updated as soon as its gradient arrives, clipped by the norm of the
    gradients that were passed with it. The first batch is updated at once in either
    case; the first call of `step_schedules` takes this back and makes the joint step.
    Weights are changed in place.
    """

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        make_torch: MakeTorch,
        state_names: dict[str, str],
        weight_decay: float,
        layer_decay: float = 1.0,
        head_factor: float = 1.0,
        grad_clip: float = 1.0,
        accumulate_batches: int = 1,
        average_decay: float = 0.0,
    ) -> None:
        """Start without weights; see `make_adamw_v1` for the other settings.

        make_torch (Callable): Creates torch's optimizer from groups of parameters.
        state_names (Dict[str, str]): Name of each of torch's states → name in `get_state`.
        """
        check_range("accumulate_batches", accumulate_batches, 1)
        check_range("average_decay", average_decay, 0, below=1)
        check_range("weight_decay", weight_decay, 0)
        check_range("layer_decay", layer_decay, 0)
        check_range("head_factor", head_factor, 0)
        check_range("grad_clip", grad_clip, 0)
        self._rate: float | None = None
        super().__init__(0.0, grad_clip=grad_clip, L2=weight_decay, use_averages=False)
        self.accumulate_batches = accumulate_batches
        # A loop that splits batches sets this: the parts whose gradients arrive as a sum.
        self.n_parts = 1
        # A loop in several processes sets these: its share of a batch, and what adds up all.
        self.batch_share = 1.0
        self.add_up: Callable[[dict, Mapping], None] | None = None
        self.n_batches = 0
        self._stepper = TorchStepper(
            make_torch,
            state_names,
            layer_decay=layer_decay,
            head_factor=head_factor,
            weight_decay=weight_decay,
            grad_clip=grad_clip,
            average_decay=average_decay,
        )
        self._has_averages = bool(average_decay)
        self._gradients: dict[Key, torch.Tensor] = {}
        self._batch_keys: set[Key] = set()
        # Whether all weights are updated together; None until the first batch ends.
        self._is_joint: bool | None = None
        # Weights and gradients before the first step, until the first batch ends.
        self._first: dict[Key, tuple[torch.Tensor, torch.Tensor]] = {}
        if isinstance(learn_rate, str | Mapping) or learn_rate == []:
            raise ValueError(
                f"`learn_rate = {learn_rate!r}`, expected a number, or a block "
                "[training.optimizer.learn_rate] that begins with `@schedules`."
            )
        if isinstance(learn_rate, float | int):
            check_range("learn_rate", learn_rate, 0)
            self.learn_rate = float(learn_rate)
        else:
            self.schedules["learn_rate"] = cast(Generator, iter(learn_rate))
            self._rate = None

    @property
    def averages(self) -> dict[Key, FloatsXd] | None:
        """RETURNS (Dict | None): The averaged weights, for `nlp.use_params`."""
        if not self._has_averages:
            return None
        return {key: cast(FloatsXd, torch2xp(X)) for key, X in self._stepper.averages.items()}

    @averages.setter
    def averages(self, value: object) -> None:
        # thinc's constructor sets its own averages, which are not used.
        pass

    @property
    def learn_rate(self) -> float:
        """RETURNS (float): The rate of the current batch.

        A schedule is first read when its rate is needed.
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

        key (Tuple[int, str]): The number of the model and the name of the parameter.
        weights (FloatsXd): The weights.
        gradient (FloatsXd): Their gradient; it is set to zero.
        lr_scale (float): Factor for the gradient.
        RETURNS (Tuple[FloatsXd, FloatsXd]): The weights and the cleared gradient.
        """
        if len(gradient) < 1:
            return weights, gradient
        xp = get_array_module(weights)
        weights = xp.ascontiguousarray(weights)
        if xp is np and not weights.flags.writeable:
            weights = weights.copy()
        self._take(key, _as_tensor(weights), _as_tensor(gradient) * lr_scale)
        self._step_at_once([key])
        gradient.fill(0)
        return weights, gradient

    def add_parameters(
        self, model_id: int, parameters: Iterable[tuple[str, torch.nn.Parameter]]
    ) -> None:
        """Take the gradients of an encoder, all at once and without a copy.

        model_id (int): The number of the shim.
        parameters (Iterable[Tuple[str, torch.nn.Parameter]]): What
            `module.named_parameters()` returns. Each `grad` is `None` afterwards.
        """
        self._stepper.encoder_ids.add(model_id)
        keys = []
        for name, parameter in parameters:
            if parameter.grad is not None:
                self._take((model_id, name), parameter.data, parameter.grad)
                keys.append((model_id, name))
                parameter.grad = None
        self._step_at_once(keys)

    @torch.no_grad()
    def _take(self, key: Key, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        if key in self._batch_keys:
            # A new batch has begun without a call of `step_schedules`.
            self._end_batch()
            self._is_joint = False
            self._first.clear()
        self._batch_keys.add(key)
        if self.batch_share != 1:
            gradient = gradient.mul_(self.batch_share)
        if self._stepper.hold(key, weights) and key in self._gradients:
            gradient += self._gradients[key].to(gradient.device)
        self._gradients[key] = gradient

    def step_schedules(self) -> None:
        """Advance the schedules, and update the weights if this batch completes a step.

        RAISES (ValueError): If the gradients are not finite numbers.
        """
        if self._batch_keys and self._is_joint is None:
            self._is_joint = True
            self._take_back()
        self._end_batch()

    def get_state(self) -> dict[Key, dict[str, torch.Tensor]]:
        """RETURNS (Dict[Key, Dict[str, torch.Tensor]]): The state of each weight."""
        states = self._stepper.read_states()
        for key, gradient in self._gradients.items():
            states.setdefault(key, {})["gradient"] = gradient
        return states

    def set_state(self, state: dict[Key, dict[str, torch.Tensor]], *, n_batches: int) -> None:
        """Continue where another optimizer with joint steps stopped.

        state (Dict[Key, Dict[str, torch.Tensor]]): What `get_state` returned. The tensors
            move to the device of their weights with the first gradient.
        n_batches (int): The number of batches that it had seen.
        """
        for key, tensors in state.items():
            self._stepper.load_state(key, tensors)
            if "gradient" in tensors:
                self._gradients[key] = tensors["gradient"]
        self.n_batches = n_batches
        self._is_joint = True

    @property
    def _is_due(self) -> bool:
        return (self.n_batches + 1) % self.accumulate_batches == 0

    def _end_batch(self) -> None:
        _ = self.learn_rate  # read the schedule once per batch
        self._batch_keys.clear()
        if self._is_joint and self._is_due:
            self._step([key for key in self._gradients if self._stepper.holds(key)])
        self.n_batches += 1
        super().step_schedules()

    def _step_at_once(self, keys: list[Key]) -> None:
        if self._is_joint or self.add_up or not self._is_due:
            return
        if self._is_joint is None:
            for key in keys:
                weights = self._stepper.parameters[key].data.clone()
                self._first[key] = weights, self._gradients[key].clone()
        self._step(keys)

    @torch.no_grad()
    def _take_back(self) -> None:
        for key, (weights, gradient) in self._first.items():
            self._stepper.parameters[key].copy_(weights)
            self._stepper.forget(key)
            self._gradients[key] = gradient
        self._first.clear()

    def _step(self, keys: list[Key]) -> None:
        if not keys:
            return
        gradients = {key: self._gradients.pop(key) for key in keys}
        if self.add_up is not None:
            self.add_up(gradients, self._stepper.parameters)
        norm = self._stepper.step(
            gradients,
            rate=self.learn_rate,
            n_summed=self.accumulate_batches * self.n_parts,
            n_steps=(self.n_batches + 1) // self.accumulate_batches,
        )
        if not math.isfinite(norm):
            raise ValueError(
                f"The gradients of batch {self.n_batches + 1} (counted from 1) have the norm "
                f"{norm}, expected a finite number. The weights are those after the batch before, "
                "and model-best is unchanged. Lower the learning rate, warm up for longer, or "
                "train without mixed precision."
            )


def _as_tensor(array: FloatsXd) -> torch.Tensor:
    # On the array's own device, whatever torch's default is.
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else torch.from_dlpack(array)
