"""A batch → one update of the weights of a pipeline."""

from collections.abc import Mapping
from typing import Any

from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import subdivide_batch
from thinc.api import Optimizer

from ..encode.memory import TO_TRAIN, explained_memory
from ..optimize.joint_optimizer import JointOptimizer
from .ranks import Ranks
from .state import seed_cupy


def update_weights(
    nlp: Language,
    batch: list[Example],
    optimizer: Optimizer,
    settings: Mapping[str, Any],
    ranks: Ranks,
    *,
    info: dict[str, int],
    losses: dict[str, float],
) -> None:
    """Learn from a batch, or from this process's part of it.

    nlp (Language): The pipeline.
    batch (List[Example]): The batch, the same in all processes.
    optimizer (Optimizer): Steps once, with the gradients of the whole batch.
    settings (Mapping[str, Any]): The resolved section [training] of the config.
    ranks (Ranks): The processes.
    info (Dict[str, int]): The "step" and the "epoch", for `before_update`.
    losses (Dict[str, float]): The losses of this process are added to it.
    """
    seed_cupy()
    if settings["before_update"]:
        settings["before_update"](nlp, info)
    share = 1.0
    if ranks.count > 1:
        batch, share = ranks.deal(batch)
    parts = list(subdivide_batch(batch, settings["accumulate_gradient"]))
    if isinstance(optimizer, JointOptimizer):
        optimizer.n_parts, optimizer.batch_share = len(parts), share
    for part in parts:
        nlp.update(
            part,
            drop=settings["dropout"],
            losses=losses,
            sgd=False,  # type: ignore[arg-type]
            exclude=settings["frozen_components"],
            annotates=settings["annotating_components"],
        )
    for name, proc in nlp.pipeline:
        is_trained = name not in settings["frozen_components"]
        is_trained &= getattr(proc, "is_trainable", False)
        if is_trained and getattr(proc, "model", None) not in (True, False, None):
            proc.finish_update(optimizer)  # type: ignore[attr-defined]
    # The first step makes room for the state of all weights.
    with explained_memory(TO_TRAIN):
        optimizer.step_schedules()
