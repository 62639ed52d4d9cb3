"""Training examples → the batches of all epochs, from the place where a run stopped."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from spacy.errors import Errors
from spacy.training import Example

from .state import write_random


@dataclass
class Progress:
    """How far a training run is.

    step (int): Number of the last step; the first is 0.
    words (int): Words seen.
    seconds (float): Time taken.
    results (List[Tuple[float, int]]): Score and step of each evaluation.
    epoch (int): Number of the epoch; the first is 0.
    n_batches (int): Batches of the epoch that are done.
    order (List[int]): Order of the examples in this epoch; empty if they are streamed.
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
    read_examples: Callable[[], Iterable[Example]],
    batcher: Callable[[Iterable[Example]], Iterable[list[Example]]],
    *,
    max_epochs: int,
    progress: Progress,
    random_state: dict[str, Any] | None = None,
) -> Iterator[tuple[int, list[Example]]]:
    """Give the batches of all epochs, from the place where a training run stopped.

    The order is that of spaCy's own loop with the same seed.

    read_examples (Callable): Reads the training corpus.
    batcher (Callable): Cuts the examples of an epoch into batches.
    max_epochs (int): Number of epochs; 0 for no end; -1 for no end, and to stream the
        corpus again in each epoch, in its own order.
    progress (Progress): How far the run is; it is kept up to date.
    random_state (Dict[str, Any] | None): What `read_random` gave at that place.
    YIELDS (Tuple[int, List[Example]]): The number of the epoch, and a batch.
    RAISES (ValueError): If the corpus has no examples.
    """
    is_resumed = progress.step >= 0
    read_epoch = _stream if max_epochs < 0 else _shuffle
    epochs = read_epoch(read_examples, progress, is_resumed)
    while max_epochs < 1 or progress.epoch < max_epochs:
        batches = iter(batcher(next(epochs)))
        if is_resumed:
            for _ in islice(batches, progress.n_batches):
                pass
            if random_state is not None:
                write_random(random_state)
            is_resumed = False
        for batch in batches:
            progress.n_batches += 1
            yield progress.epoch, batch
        if not progress.n_batches:
            raise ValueError(Errors.E986)
        progress.epoch += 1


def _shuffle(
    read_examples: Callable[[], Iterable[Example]], progress: Progress, is_resumed: bool
) -> Iterator[list[Example]]:
    examples = list(read_examples())
    if is_resumed and len(progress.order) != len(examples):
        raise ValueError(
            f"The training corpus has {len(examples)} examples, but it had {len(progress.order)} "
            "when the run began. Restore the data, or start again without `resume`."
        )
    progress.order = progress.order or list(range(len(examples)))
    while True:
        if not is_resumed:
            random.shuffle(progress.order)
        _begin_epoch(progress, is_resumed)
        is_resumed = False
        yield [examples[i] for i in progress.order]


def _stream(
    read_examples: Callable[[], Iterable[Example]], progress: Progress, is_resumed: bool
) -> Iterator[Iterable[Example]]:
    # A reader may draw anew at each call, so the epochs before are read again.
    for _ in range(progress.epoch):
        for _ in read_examples():
            pass
    while True:
        _begin_epoch(progress, is_resumed)
        is_resumed = False
        yield read_examples()


def _begin_epoch(progress: Progress, is_resumed: bool) -> None:
    if is_resumed:
        random.setstate(progress.batch_random)
    else:
        progress.batch_random = random.getstate()
        progress.n_batches = 0
