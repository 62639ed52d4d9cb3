"""Epochs and evaluations as people count them → the steps of `spacy train`."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.util import logger, registry, resolve_dot_names

from ..optimize.schedules import count_steps, parse_span
from ..ranges import check_range
from .ranks import check_connected

# The schedules that need the length of the run.
_PREFIX = "spacy-bert-ner."


class Plan(NamedTuple):
    """The steps of a training run.

    epoch_steps (int | None): The batches of an epoch; `None` if they were not counted.
    max_steps (int): The number of the last step, which is evaluated, counted from 0.
    eval_frequency (int): The number of steps between evaluations.
    patience (int): The steps without improvement before the run stops; 0 for no limit.
    """

    epoch_steps: int | None
    max_steps: int
    eval_frequency: int
    patience: int


def make_plan_training_v1(
    *, eval_every: str = "1 epochs", patience: int = 0
) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that counts the steps of a run.

    Entry point: spacy-bert-ner.plan_training.v1. It counts the batches of the training
    corpus and fills in the config that is saved with the model: `training.max_steps`,
    `training.eval_frequency` and `training.patience` if they are 0, and `total_steps` and
    `epoch_steps` of our schedules if they are null. If it sets `training.max_steps`, it
    sets `training.max_epochs` to 0 (no limit): the number of batches per epoch varies
    with the order of the examples, so the epochs could end before the last evaluation. A
    streamed corpus (`max_epochs = -1`) is counted only if `eval_every` is in epochs. If
    there is no training corpus (for example because you initialize a loaded pipeline),
    the callback does nothing.

    eval_every (str): The interval between evaluations: "0.5 epochs", "25%" of the run or
        "200 steps".
    patience (int): The evaluations without improvement before the run stops; 0 for no
        limit.
    RETURNS (Callable[[Language], None]): The callback.
    RAISES (ValueError): If a setting or the length of the run is invalid.
    """
    _, unit = parse_span(eval_every)
    check_range("patience", patience, 0)

    def plan_training(nlp: Language) -> None:
        if not has_corpus(nlp):
            logger.info("No training corpus, so the steps of the training run were not counted")
            return
        check_connected()
        training = nlp.config.interpolate()["training"]
        # A stream may be endless.
        is_counted = training["max_epochs"] >= 0 or unit == "epoch"
        plan = make_plan(
            training,
            count_batches(nlp) if is_counted else None,
            eval_every=eval_every,
            n_patience=patience,
        )
        write_plan(nlp.config["training"], plan)
        logger.info("Planned %s", plan)

    return plan_training


def find_corpus(nlp: Language, name: str) -> dict[str, Any]:
    """Find the block of a corpus in the config.

    nlp (Language): The pipeline.
    name (str): Its name, for example "corpora.train".
    RETURNS (Dict[str, Any]): The block; empty if there is none.
    """
    block: Any = nlp.config.interpolate()
    for part in name.split("."):
        block = block.get(part, {})
    return block


def has_corpus(nlp: Language) -> bool:
    """Check whether the training corpus of the config exists.

    nlp (Language): The pipeline.
    RETURNS (bool): False if its path is null or does not exist.
    """
    block = find_corpus(nlp, nlp.config.interpolate()["training"]["train_corpus"])
    if "path" not in block:
        return bool(block)
    path = find_path(block)
    return path is not None and path.exists()


def find_path(block: dict[str, Any]) -> Path | None:
    """Find the file or folder of a corpus.

    block (Dict[str, Any]): The block of the corpus in the config.
    RETURNS (Path | None): Its path, of the archive if it is a file in one (`a.zip:member`);
        `None` if it has none.
    """
    path = block.get("path")
    return None if path is None else Path(re.sub(r"(?<=\.zip):.*", "", str(path)))


def count_batches(nlp: Language) -> int:
    """Count the batches of an epoch.

    nlp (Language): The pipeline, with the corpus and the batcher in its config.
    RETURNS (int): Their number. A streamed corpus is read to its end.
    """
    config = nlp.config.interpolate()
    (corpus,) = resolve_dot_names(config, [config["training"]["train_corpus"]])
    batcher = registry.resolve({"batcher": config["training"]["batcher"]})["batcher"]
    return sum(1 for _ in batcher(corpus(nlp)))


def make_plan(
    training: dict[str, Any], epoch_steps: int | None, *, eval_every: str, n_patience: int
) -> Plan:
    """Work out the steps of a training run.

    training (Dict[str, Any]): The section [training]; values other than 0 are kept.
    epoch_steps (int | None): The batches of an epoch, if they were counted.
    eval_every (str): The interval between evaluations.
    n_patience (int): The evaluations without improvement before the run stops.
    RETURNS (Plan): The steps. If `max_steps` and `eval_frequency` are both 0, the run may
        be a few steps shorter than its epochs, so that its last step is evaluated.
    RAISES (ValueError): If the length of the run is not set.
    """
    max_steps, max_epochs = training["max_steps"], training["max_epochs"]
    if max_steps < 1 and max_epochs < 1:
        raise ValueError(
            f"Found `max_epochs = {max_epochs}` and `max_steps = {max_steps}` in [training], "
            f"expected {'`max_steps`' if max_epochs < 0 else 'one of them'} above 0. Set, for "
            f"example, `{'max_steps = 1000' if max_epochs < 0 else 'max_epochs = 3'}`."
        )
    last = max_steps
    if max_epochs > 0 and epoch_steps is not None:
        n_steps = max_epochs * epoch_steps - 1
        last = min(last, n_steps) if max_steps else n_steps
    last = max(1, last)
    frequency = training["eval_frequency"]
    if not frequency:
        frequency = count_steps(eval_every, total_steps=last + 1, epoch_steps=epoch_steps)
        frequency = min(max(1, frequency), last)
        if not max_steps:
            n_evals = max(1, round(last / frequency))
            frequency = last // n_evals
            last = frequency * n_evals
    return Plan(epoch_steps, last, frequency, training["patience"] or n_patience * frequency)


def write_plan(training: dict[str, Any], plan: Plan) -> None:
    """Write the steps into the config where they are not set.

    training (Dict[str, Any]): The section [training], which is changed.
    plan (Plan): The steps.
    """
    if training["max_steps"] == 0:
        training["max_epochs"] = 0
    for name in ("max_steps", "eval_frequency", "patience"):
        if training[name] == 0:
            training[name] = getattr(plan, name)
    lengths = {"total_steps": plan.max_steps + 1, "epoch_steps": plan.epoch_steps}
    for block in find_blocks(training):
        if str(block.get("@schedules", "")).startswith(_PREFIX):
            for name, n_steps in lengths.items():
                if block.get(name) is None:
                    block[name] = n_steps


def find_blocks(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a section of a config and all sections in it.

    config (Dict[str, Any]): The section.
    YIELDS (Dict[str, Any]): The sections, outer sections first.
    """
    yield config
    inner: Iterable[Any] = (value for value in config.values() if isinstance(value, dict))
    yield from chain.from_iterable(find_blocks(value) for value in inner)
