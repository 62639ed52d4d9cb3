"""The optimizer and the random numbers of a training run → plain data, and back."""

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
    """Name the weights of a pipeline, the same in every process.

    nlp (Language): The pipeline.
    RETURNS (Dict[Tuple[int, str], str]): For each key of an optimizer: the component,
        the number of the layer in it, and the name of the parameter.
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
    """Give what an optimizer remembers of each weight, ours or thinc's.

    optimizer (Optimizer): The optimizer.
    RETURNS (Dict[Tuple[int, str], Dict[str, torch.Tensor]]): Tensors by their kind.
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
    """Give an optimizer the memory of another one.

    optimizer (Optimizer): A new optimizer; it is changed.
    state (Dict[Tuple[int, str], Dict[str, torch.Tensor]]): What `read_optimizer` gave.
    n_steps (int): Steps that the schedules have made.
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
    _ = optimizer.learn_rate  # a schedule of ours starts when it is first asked
    for _ in range(n_steps):
        Optimizer.step_schedules(optimizer)


def read_random() -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): All states of random numbers, as JSON can hold them."""
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
    """Put all random numbers where they were.

    state (Dict[str, Any]): What `read_random` gave.
    """
    random.setstate(to_tuples(state["python"]))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        states = [torch.tensor(X, dtype=torch.uint8) for X in state["cuda"]]
        torch.cuda.set_rng_state_all(states[: torch.cuda.device_count()])


def to_tuples(state: Any) -> Any:
    """Make the state of Python's random numbers from what JSON gives.

    state (Any): Version, numbers, and the next Gaussian number.
    RETURNS (Any): What `random.setstate` takes.
    """
    version, numbers, gauss = state
    return version, tuple(numbers), gauss
