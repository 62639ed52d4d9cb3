"""The optimizer and the random state of a training run ↔ plain data."""

import random
from typing import Any, cast

import numpy as np
import torch
from spacy.language import Language
from thinc.api import Model, Optimizer, get_current_ops, xp2torch
from thinc.types import FloatsXd

from ..optimize.joint_optimizer import JointOptimizer
from ..optimize.parameter_groups import Key

_ARRAYS = ("mom1", "mom2", "averages")


def name_parameters(nlp: Language) -> dict[Key, str]:
    """Name the weights of a pipeline in the same way in every process.

    nlp (Language): The pipeline.
    RETURNS (Dict[Tuple[int, str], str]): Each key of an optimizer → the component, the
        number of the layer in it and the name of the parameter.
    """
    names = {}
    for pipe_name, proc in nlp.pipeline:
        model = getattr(proc, "model", None)
        for i, node in enumerate(model.walk() if isinstance(model, Model) else ()):
            for name in node.param_names:
                names[node.id, name] = f"{pipe_name}/{i}/{name}"
            for shim in node.shims:
                for name, _ in shim._model.named_parameters():
                    names[shim.id, name] = f"{pipe_name}/{i}/torch/{name}"
    return names


def read_optimizer(optimizer: Optimizer) -> dict[Key, dict[str, torch.Tensor]]:
    """Read the state of each weight from an optimizer, ours or thinc's.

    optimizer (Optimizer): The optimizer.
    RETURNS (Dict[Tuple[int, str], Dict[str, torch.Tensor]]): The tensors of each key by
        their kind.
    """
    if isinstance(optimizer, JointOptimizer):
        return optimizer.get_state()
    state: dict[Key, dict[str, torch.Tensor]] = {}
    for kind in _ARRAYS:
        for key, array in (getattr(optimizer, kind) or {}).items():
            state.setdefault(key, {})[kind] = xp2torch(array)
    for key, n in optimizer.nr_update.items():
        state.setdefault(key, {})["nr_update"] = torch.tensor(n)
    return state


def write_optimizer(
    optimizer: Optimizer, state: dict[Key, dict[str, torch.Tensor]], *, n_steps: int
) -> None:
    """Restore the state of an optimizer.

    optimizer (Optimizer): A new optimizer, which is changed.
    state (Dict[Tuple[int, str], Dict[str, torch.Tensor]]): What `read_optimizer` returned.
    n_steps (int): The number of steps that the schedules have made.
    """
    if isinstance(optimizer, JointOptimizer):
        optimizer.set_state(state, n_batches=n_steps)
    else:
        ops = get_current_ops()
        for key, tensors in state.items():
            for kind in _ARRAYS:
                if kind in tensors:
                    getattr(optimizer, kind)[key] = ops.asarray(
                        cast(FloatsXd, tensors[kind].numpy())
                    )
            optimizer.nr_update[key] = int(tensors["nr_update"])
    _ = optimizer.learn_rate  # our schedules start when they are first read
    for _ in range(n_steps):
        Optimizer.step_schedules(optimizer)


def read_random() -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The state of all random generators, ready for JSON."""
    name, keys, *rest = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
    }
    if torch.cuda.is_available():
        state["cuda"] = [X.tolist() for X in torch.cuda.get_rng_state_all()]
    return state


def write_random(state: dict[str, Any]) -> None:
    """Restore the state of all random generators.

    state (Dict[str, Any]): What `read_random` returned.
    """
    random.setstate(to_tuples(state["python"]))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        states = [torch.tensor(X, dtype=torch.uint8) for X in state["cuda"]]
        torch.cuda.set_rng_state_all(states[: torch.cuda.device_count()])


def to_tuples(state: Any) -> Any:
    """Make the state of Python's random generator from JSON.

    state (Any): The version, the numbers and the next Gaussian number.
    RETURNS (Any): The argument of `random.setstate`.
    """
    version, numbers, gauss = state
    return version, tuple(numbers), gauss
