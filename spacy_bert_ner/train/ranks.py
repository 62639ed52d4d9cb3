"""Processes that `torchrun` has started → one training run on several devices."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from spacy.training import Example
from torch import distributed

from ..optimize.parameter_groups import Key

# The others wait while the first process evaluates and saves.
PATIENCE = timedelta(days=1)
_BY_NAME = itemgetter(1, 0)


class Ranks:
    """The processes of one run: all take the same steps, and the first one reports and saves.

    index (int): Number of this process, from 0.
    count (int): How many there are.
    """

    def __init__(self, index: int = 0, count: int = 1) -> None:
        """Describe this process; `connected_ranks` connects it to the others."""
        self.index = index
        self.count = count
        self._n_words = 0

    @property
    def is_first(self) -> bool:
        """RETURNS (bool): Whether this process evaluates, logs and saves."""
        return self.index == 0

    def share(self, value: Any = None) -> Any:
        """Give all processes a value of the first one.

        value (Any): The value; only that of the first process counts.
        RETURNS (Any): Its value.
        """
        if self.count == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def deal(self, batch: Sequence[Example]) -> tuple[list[Example], float]:
        """Deal a batch to the processes, so that each has about as many words.

        batch (Sequence[Example]): The batch, the same in all processes.
        RETURNS (Tuple[List[Example], float]): This process's part in the order of the batch,
            and its share of the words. Without a part of its own, a process has an example
            whose share is 0, so that it can take part in the step.
        """
        lengths = [sum(not token.is_space for token in eg.predicted) for eg in batch]
        loads = [0] * self.count
        mine = []
        for i in sorted(range(len(batch)), key=lambda i: (-lengths[i], i)):
            rank = int(np.argmin(loads))
            loads[rank] += lengths[i] + 1  # so that empty docs are dealt too
            if rank == self.index:
                mine.append(i)
        self._n_words = sum(lengths)
        if not mine:
            return list(batch[:1]), 0.0
        own = sum(lengths[i] for i in mine)
        return [batch[i] for i in sorted(mine)], own / max(self._n_words, 1)

    @torch.no_grad()
    def add_up(
        self, gradients: dict[Key, torch.Tensor], weights: Mapping[Key, torch.Tensor]
    ) -> None:
        """Replace the gradients of this process by the sums over all processes.

        gradients (Dict[Tuple[int, str], torch.Tensor]): The gradients, which are changed.
            Those that only other processes have are added.
        weights (Mapping[Tuple[int, str], torch.Tensor]): The weights, for their shapes.
        RAISES (RuntimeError): If the processes do not read the same batches.
        """
        state = (self._n_words, sorted(gradients, key=_BY_NAME))
        states: list[Any] = [None] * self.count
        distributed.all_gather_object(states, state)
        if len({n_words for n_words, _ in states}) > 1:
            raise RuntimeError(
                f"The processes read batches of {', '.join(str(n) for n, _ in states)} words, "
                "expected the same batch in each. Readers and augmenters must draw their random "
                "numbers from Python's `random`, with the same seed."
            )
        keys = sorted({key for _, found in states for key in found}, key=_BY_NAME)
        for key in keys:
            if key not in gradients:
                gradients[key] = torch.zeros_like(weights[key])
        device = gradients[keys[0]].device
        flat = torch.cat([gradients[key].reshape(-1).to(device, torch.float32) for key in keys])
        distributed.all_reduce(flat)
        sizes = [gradients[key].numel() for key in keys]
        for key, part in zip(keys, flat.split(sizes), strict=True):
            gradients[key].copy_(part.view_as(gradients[key]))

    def seed(self, step: int) -> None:
        """Let each process draw its own dropout masks, the same ones if a run is resumed.

        step (int): The number of the step.
        """
        if not self.is_first:
            seed = np.random.SeedSequence([self.index, step]).generate_state(1)[0]
            np.random.seed(seed)
            torch.manual_seed(int(seed))

    def share_random(self) -> None:
        """Continue with the first process's state of Python's `random`, which draws batches."""
        random.setstate(self.share(random.getstate()))


@contextmanager
def connected_ranks(*, use_gpu: int = -1) -> Iterator[Ranks]:
    """Connect the processes that `torchrun` has started.

    use_gpu (int): -1 for the CPU; otherwise each process uses the GPU that it has chosen.
    YIELDS (Ranks): The processes: only this one without `torchrun`.
    """
    count = count_ranks()
    if count == 1 or distributed.is_initialized():
        yield Ranks()
        return
    distributed.init_process_group("nccl" if use_gpu >= 0 else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def count_ranks() -> int:
    """RETURNS (int): How many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def check_connected() -> None:
    """Refuse to train in processes that do not know of each other.

    RAISES (ValueError): If `torchrun` has started something else than `bert-ner train`.
    """
    if count_ranks() > 1 and not distributed.is_initialized():
        raise ValueError(
            f"torchrun has started {count_ranks()} processes, but `spacy train` would train a "
            "model of its own in each, all into the same folder. Run `torchrun "
            f"--nproc-per-node {count_ranks()} -m spacy bert-ner train CONFIG --output FOLDER`."
        )


def find_own_gpu(gpu: int) -> int:
    """Find the GPU of this process.

    gpu (int): The GPU that the user chose; -1 for the CPU.
    RETURNS (int): Under `torchrun`, one for each process of a machine, from that one on.
    """
    return gpu if gpu < 0 else gpu + int(os.environ.get("LOCAL_RANK", "0"))
