"""A training run at an evaluation ↔ a checkpoint on disk."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from spacy.language import Language
from thinc.api import Config, Optimizer

from ..files import hash_file
from ..manifest import BrokenModelError, check_manifest, write_manifest
from ..optimize.parameter_groups import Key
from .epochs import Progress
from .plan import find_corpus, find_path
from .state import (
    name_parameters,
    read_optimizer,
    read_random,
    read_scalers,
    to_tuples,
    write_optimizer,
    write_scalers,
)


def save_checkpoint(
    folder: Path,
    nlp: Language,
    optimizer: Optimizer,
    progress: Progress,
    *,
    data: dict[str, str],
) -> None:
    """Save everything that is needed to resume a training run.

    folder (Path): An empty folder.
    nlp (Language): The pipeline.
    optimizer (Optimizer): Its optimizer.
    progress (Progress): How far the run has got.
    data (Dict[str, str]): What `hash_data` returned.
    """
    nlp.to_disk(folder / "model")
    names = name_parameters(nlp)
    tensors = {
        f"{names[key]}:{kind}": tensor.contiguous().cpu()
        for key, state in read_optimizer(optimizer).items()
        for kind, tensor in state.items()
    }
    save_file(tensors, folder / "optimizer")
    _write_json(folder / "progress.json", asdict(progress))
    _write_json(folder / "random.json", read_random())
    _write_json(folder / "scalers.json", read_scalers(nlp))
    _write_json(folder / "data.json", data)
    write_manifest(folder)


def load_checkpoint(
    folder: Path, nlp: Language, optimizer: Optimizer
) -> tuple[Progress, dict[str, Any]]:
    """Restore a pipeline and its optimizer from a checkpoint.

    folder (Path): What `save_checkpoint` wrote.
    nlp (Language): The pipeline, initialized with the same config, which is changed.
    optimizer (Optimizer): A new optimizer, which is changed.
    RETURNS (Tuple[Progress, Dict[str, Any]]): How far the run had got, and the random
        state for `iterate_batches`.
    """
    nlp.from_disk(folder / "model")
    progress = Progress(**_read_json(folder / "progress.json"))
    progress.batch_random = to_tuples(progress.batch_random)
    progress.results = [(score, step) for score, step in progress.results]
    keys = {name: key for key, name in name_parameters(nlp).items()}
    state: dict[Key, dict[str, torch.Tensor]] = {}
    for name, tensor in load_file(folder / "optimizer").items():
        name, kind = name.rsplit(":", 1)
        state.setdefault(keys[name], {})[kind] = tensor
    write_optimizer(optimizer, state, n_steps=progress.step + 1)
    if (folder / "scalers.json").is_file():  # not in checkpoints of 0.1.0
        write_scalers(nlp, _read_json(folder / "scalers.json"))
    return progress, _read_json(folder / "random.json")


def _write_json(path: Path, value: Any) -> None:
    # Not with srsly, which changes the last digit of some numbers.
    path.write_text(json.dumps(value), encoding="utf8")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf8"))


def hash_data(nlp: Language) -> dict[str, str]:
    """Hash the files that a training run reads.

    nlp (Language): The pipeline, with the corpora in its config.
    RETURNS (Dict[str, str]): The name of each corpus → the sha256 of its file, or of each
        .spacy file in its folder; corpora that are neither are left out.
    """
    training = nlp.config.interpolate()["training"]
    found = {}
    for name in (training["train_corpus"], training["dev_corpus"]):
        path = find_path(find_corpus(nlp, name))
        if path is not None:
            files = [path] if path.is_file() else sorted(path.rglob("*.spacy"))
            found[name] = " ".join(map(hash_file, files))
    return {name: hashes for name, hashes in found.items() if hashes}


def find_obstacle(folder: Path, nlp: Language, data: dict[str, str]) -> str | None:
    """Find out why a training run cannot be resumed.

    folder (Path): What `save_checkpoint` wrote.
    nlp (Language): The pipeline, initialized with the current config.
    data (Dict[str, str]): What `hash_data` returns now.
    RETURNS (str | None): What is wrong: a damaged file, another config or other data;
        `None` if the run can be resumed.
    """
    try:
        check_manifest(folder)
    except BrokenModelError as error:
        found = str(error).removesuffix(" Copy or install the model again.")
        return f"The checkpoint is damaged: {found}"
    saved = _read_json(folder / "data.json")
    for name in sorted(saved.keys() & data.keys()):
        if saved[name] != data[name]:
            return f"A file of {name} has changed since the run started."
    return _compare_configs(folder / "model" / "config.cfg", nlp)


def _compare_configs(path: Path, nlp: Language) -> str | None:
    saved = _flatten(Config().from_disk(path))
    present = _flatten(nlp.config.interpolate())
    skipped = ("training.logger.", "paths.", "system.")
    different = sorted(
        name
        for name in saved.keys() | present.keys()
        if saved.get(name) != present.get(name) and not name.startswith(skipped)
    )
    if not different:
        return None
    first = different[0]
    return (
        f"The config has changed since the run started, in {len(different)} "
        f"setting{'s' if len(different) > 1 else ''}: {', '.join(different[:5])} ({first} was "
        f"{saved.get(first)!r} and is {present.get(first)!r})."
    )


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
