"""A training at an evaluation → a checkpoint on disk, and back."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import srsly
import torch
from safetensors.torch import load_file, save_file
from spacy.language import Language
from spacy.training import Example
from thinc.api import Config, Optimizer

from ..optimize.parameter_groups import Key
from .state import (
    name_parameters,
    read_optimizer,
    read_random,
    to_tuples,
    write_optimizer,
    write_random,
)


@dataclass
class Progress:
    """How far a training is.

    step (int): Number of the last step; the first is 0.
    words (int): Words seen.
    seconds (float): Time taken.
    results (List[Tuple[float, int]]): Score and step of each evaluation.
    epoch (int): Number of the epoch; the first is 0.
    n_batches (int): Batches of the epoch that are done.
    order (List[int]): Order of the examples in this epoch.
    batch_random (Any): State of Python's `random` before the epoch was cut into batches.
    """

    step: int = -1
    words: int = 0
    seconds: float = 0.0
    results: list[tuple[float, int]] = field(default_factory=list)
    epoch: int = 0
    n_batches: int = 0
    order: list[int] = field(default_factory=list)
    batch_random: Any = None


def iterate_batches(
    examples: list[Example],
    batcher: Callable[[Iterable[Example]], Iterable[list[Example]]],
    *,
    max_epochs: int,
    progress: Progress,
    random_state: dict[str, Any] | None = None,
) -> Iterator[tuple[int, list[Example]]]:
    """Give the batches of all epochs, from the place where a training stopped.

    The order is that of spaCy's own loop with the same seed.

    examples (List[Example]): The training examples.
    batcher (Callable): Cuts the examples of an epoch into batches.
    max_epochs (int): Number of epochs; 0 for no end.
    progress (Progress): How far the training is; it is kept up to date.
    random_state (Dict[str, Any] | None): What `read_random` gave at that place.
    YIELDS (Tuple[int, List[Example]]): The number of the epoch, and a batch.
    """
    is_resumed = bool(progress.order)
    progress.order = progress.order or list(range(len(examples)))
    while max_epochs < 1 or progress.epoch < max_epochs:
        if is_resumed:
            random.setstate(progress.batch_random)
        else:
            random.shuffle(progress.order)
            progress.batch_random = random.getstate()
            progress.n_batches = 0
        batches = iter(batcher([examples[i] for i in progress.order]))
        if is_resumed:
            for _ in islice(batches, progress.n_batches):
                pass
            if random_state is not None:
                write_random(random_state)
            is_resumed = False
        for batch in batches:
            progress.n_batches += 1
            yield progress.epoch, batch
        progress.epoch += 1


def save_checkpoint(folder: Path, nlp: Language, optimizer: Optimizer, progress: Progress) -> None:
    """Write all that is needed to go on.

    folder (Path): An empty folder.
    nlp (Language): The pipeline.
    optimizer (Optimizer): Its optimizer.
    progress (Progress): How far the training is.
    """
    nlp.to_disk(folder / "model")
    names = name_parameters(nlp)
    tensors = {
        f"{names[key]}:{kind}": tensor
        for key, state in read_optimizer(optimizer).items()
        for kind, tensor in state.items()
    }
    save_file({name: X.contiguous().cpu() for name, X in tensors.items()}, folder / "optimizer")
    srsly.write_json(folder / "progress.json", asdict(progress))
    srsly.write_json(folder / "random.json", read_random())


def load_checkpoint(
    folder: Path, nlp: Language, optimizer: Optimizer
) -> tuple[Progress, dict[str, Any]]:
    """Put a pipeline and its optimizer where they were.

    folder (Path): What `save_checkpoint` wrote.
    nlp (Language): The pipeline, initialized with the same config; it is changed.
    optimizer (Optimizer): A new optimizer; it is changed.
    RETURNS (Tuple[Progress, Dict[str, Any]]): How far the training was, and the
        state of the random numbers for `iterate_batches`.
    RAISES (ValueError): If the config is another one.
    """
    check_same_config(folder / "model" / "config.cfg", nlp)
    nlp.from_disk(folder / "model")
    progress = Progress(**srsly.read_json(folder / "progress.json"))
    progress.batch_random = to_tuples(progress.batch_random)
    progress.results = [(score, step) for score, step in progress.results]
    keys = {name: key for key, name in name_parameters(nlp).items()}
    state: dict[Key, dict[str, torch.Tensor]] = {}
    for name, tensor in load_file(folder / "optimizer").items():
        name, kind = name.rsplit(":", 1)
        state.setdefault(keys[name], {})[kind] = tensor
    write_optimizer(optimizer, state, n_steps=progress.step + 1)
    return progress, srsly.read_json(folder / "random.json")


def check_same_config(path: Path, nlp: Language) -> None:
    """Check that a training goes on with the config that it began with.

    path (Path): The config that was saved.
    nlp (Language): The pipeline, with its config.
    RAISES (ValueError): If they differ in more than the logger, naming where.
    """
    saved = _flatten(Config().from_disk(path))
    present = _flatten(nlp.config.interpolate())
    skipped = ("training.logger.", "paths.", "system.")
    different = sorted(
        name
        for name in saved.keys() | present.keys()
        if saved.get(name) != present.get(name) and not name.startswith(skipped)
    )
    if different:
        first = different[0]
        raise ValueError(
            f"The config differs from the one that the training began with in {len(different)} "
            f"settings: {', '.join(different[:5])} ({first} was {saved.get(first)!r} and is "
            f"{present.get(first)!r}). Set them as before, or train anew without `--resume`."
        )


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
