"""Training examples → the batches of all epochs, from where a run stopped."""

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
    """How far a training run has got.

    step (int): The number of the last step, counted from 0; -1 before the first.
    words (int): The number of words seen.
    seconds (float): The time taken.
    losses (Dict[str, float]): The losses since the last evaluation.
    results (List[Tuple[float, int]]): The score and step of each evaluation.
    epoch (int): The number of the epoch, counted from 0.
    n_batches (int): The number of batches of this epoch that are done.
    order (List[int]): The order of the examples in this epoch; empty for a stream.
    batch_random (Any): The state of Python's `random` before the epoch was batched.
    """

    step: int = -1
    words: int = 0
    seconds: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
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
    """Yield the batches of all epochs, from where a training run stopped.

    With the same seed, the order is the same as in spaCy's own loop.

    read_examples (Callable): Reads the training corpus.
    batcher (Callable): Groups the examples of an epoch into batches.
    max_epochs (int): The number of epochs; 0 for no limit; -1 for no limit and to stream
        the corpus in its own order in each epoch.
    progress (Progress): How far the run has got; it is updated.
    random_state (Dict[str, Any] | None): What `read_random` returned at that point.
    YIELDS (Tuple[int, List[Example]]): The number of the epoch and a batch.
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
            "when the run started. Restore the data, or start a new run without `resume`."
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
    # A reader may draw random numbers at each call, so earlier epochs are read again.
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
