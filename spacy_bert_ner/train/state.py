"""The optimizer and the random state of a training run ↔ plain data."""

import random
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from spacy.language import Language
from thinc.api import (
    CupyOps,
    Model,
    Optimizer,
    PyTorchGradScaler,
    PyTorchShim,
    get_current_ops,
    xp2torch,
)
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
    for pipe_name, i, node in _walk(nlp):
        for name in node.param_names:
            names[node.id, name] = f"{pipe_name}/{i}/{name}"
        for shim in node.shims:
            for name, _ in shim._model.named_parameters():
                names[shim.id, name] = f"{pipe_name}/{i}/torch/{name}"
    return names


def _walk(nlp: Language) -> Iterator[tuple[str, int, Model]]:
    for pipe_name, proc in nlp.pipeline:
        model = getattr(proc, "model", None)
        for i, node in enumerate(model.walk() if isinstance(model, Model) else ()):
            yield pipe_name, i, node


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


def find_scalers(nlp: Language) -> dict[str, PyTorchGradScaler]:
    """Find the gradient scalers of a pipeline, which float16 needs.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, PyTorchGradScaler]): Those in use, by component and layer.
    """
    return {
        f"{pipe_name}/{i}": shim._grad_scaler
        for pipe_name, i, node in _walk(nlp)
        for shim in node.shims
        if isinstance(shim, PyTorchShim) and shim._grad_scaler._enabled
    }


def read_scalers(nlp: Language) -> dict[str, list[float]]:
    """RETURNS (Dict[str, List[float]]): The scales, and the steps since each one changed."""
    return {
        name: [scaler._scale.item(), scaler._growth_tracker.item()]
        for name, scaler in find_scalers(nlp).items()
    }


def write_scalers(nlp: Language, state: dict[str, list[float]]) -> None:
    """Restore the gradient scalers.

    nlp (Language): The pipeline, whose scalers are changed.
    state (Dict[str, List[float]]): What `read_scalers` returned.
    """
    for name, scaler in find_scalers(nlp).items():
        if name in state:
            scale, n_steps = state[name]
            scaler._scale.fill_(scale)
            scaler._growth_tracker.fill_(int(n_steps))


def read_random() -> dict[str, Any]:
    """Read the state of the random generators of Python, numpy and torch, on all devices.

    CuPy's cannot be read: see `seed_cupy`.

    RETURNS (Dict[str, Any]): The states, ready for JSON.
    """
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
    """Restore the state of the random generators.

    state (Dict[str, Any]): What `read_random` returned.
    """
    random.setstate(to_tuples(state["python"]))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        states = [torch.tensor(X, dtype=torch.uint8) for X in state["cuda"]]
        torch.cuda.set_rng_state_all(states[: torch.cuda.device_count()])


def seed_cupy() -> None:
    """Let what CuPy draws next depend on the state of numpy, if arrays are on a GPU.

    thinc's layers draw their dropout masks from CuPy, whose state cannot be saved.
    """
    ops = get_current_ops()
    if isinstance(ops, CupyOps):
        ops.xp.random.seed(np.random.randint(2**31))


def to_tuples(state: Any) -> Any:
    """Make the state of Python's random generator from JSON.

    state (Any): The version, the numbers and the next Gaussian number.
    RETURNS (Any): The argument of `random.setstate`.
    """
    version, numbers, gauss = state
    return version, tuple(numbers), gauss
