"""Tag scores and learned steps between tags → the most probable sets of entities."""

from heapq import heappop, heappush
from itertools import count
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from ..tag.tag_set import TagSet

# Decimals of a bound, in nats, that make a difference: below is what rounding leaves.
DECIMALS = 9

# The search gives up here. Scores of a trained head need about as many beginnings as
# there are words for each reading; those that say nothing could need any number.
MOST_BEGINNINGS = 500_000


class Twins(NamedTuple):
    """Groups of tags of which any may stand for the others in a reading.

    order (ndarray): The tags, group by group. Shape: (n_tags,).
    starts (ndarray): Where each group begins in it. Shape: (n_groups,).
    """

    order: np.ndarray
    starts: np.ndarray

    def get_tags(self, group: int) -> np.ndarray:
        """Give the tags of a group. Shape: (n,)."""
        ends = np.append(self.starts[1:], len(self.order))
        return self.order[self.starts[group] : ends[group]]

    def sum_groups(self, X: np.ndarray, *, axis: int) -> np.ndarray:
        """Add up, as logs, what the tags of each group have along an axis."""
        return np.logaddexp.reduceat(X.take(self.order, axis=axis), self.starts, axis=axis)


def find_twins(tag_set: TagSet) -> Twins:
    """Find the tags that say the same of an entity, and let the same follow.

    Only IOB1 has some: "B-" and "S-", where an entity begins behind anything but one
    of its own label.

    tag_set (TagSet): The tags.
    RETURNS (Twins): The groups; most have one tag.
    """
    says = zip(tag_set.kinds.tolist(), tag_set.labels, tag_set.follows[:-1].tolist(), strict=True)
    keys = [repr(key) for key in says]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    groups = np.asarray([first[key] for key in keys])
    order = np.argsort(groups, kind="stable")
    return Twins(order, np.flatnonzero(np.diff(groups[order], prepend=-1)))


class Beginning(NamedTuple):
    """What a reading says up to one of its words.

    log_bound (float): What all its paths to the end sum up to, as a log; not less.
    group (int): The twins that the word has a tag of.
    totals (ndarray): Log of the sum of all paths up to here, by the word's tag; those
        of other groups are not of this reading. Shape: (n_tags,).
    before (Beginning | None): What it says up to the word before.
    """

    log_bound: float
    group: int
    totals: np.ndarray
    before: "Beginning | None"


def find_best_readings(
    scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray, twins: Twins, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k best readings of one text, best first: each with all of its paths.

    The search is A* (Hart et al. 1968): of all beginnings, the one that may come out
    best is followed first, so the first readings to reach the end are the best.

    scores (ndarray): Scores of each word's tags, -inf to forbid one. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): As `build_steps` gives them. Shape: (n_tags + 1, n_tags + 1).
    twins (Twins): What `find_twins` gave.
    k (int): How many; fewer if there are not as many.
    RETURNS (Tuple[ndarray, ndarray]): One path of each reading, as indices into the
        tags, and the log of the sum of all its paths' exponential scores.
        Shapes: (n_readings, n_words), (n_readings,).
    RAISES (ValueError): If too many beginnings are about as good as the best.
    """
    # Between two words of a sentence, and from one sentence to the next.
    between = (steps[:-1, :-1], steps[:-1, -1:] + steps[-1, :-1])
    rests = bound_rests(scores, is_start, steps, twins)
    waiting: list[tuple[float, int, int, Beginning]] = []
    ended: list[Beginning] = []
    numbers, followed = count(), count()

    def go_on(i: int, totals: np.ndarray, before: Beginning | None) -> None:
        bounds = twins.sum_groups(totals[:, None] + rests[i], axis=0).max(axis=1)
        for group in np.flatnonzero(np.isfinite(bounds)).tolist():
            new = Beginning(float(bounds[group]), group, totals, before)
            # Of those that are equal but for rounding, the one nearest to the end.
            heappush(waiting, (-round(new.log_bound, DECIMALS), -i, next(numbers), new))

    go_on(0, steps[-1, :-1] + scores[0], None)
    while waiting and len(ended) < k:
        _, at, _, last = heappop(waiting)
        i = 1 - at
        if i == len(scores):
            ended.append(last)
            continue
        if next(followed) == MOST_BEGINNINGS:
            raise ValueError(
                f"Found {len(ended)} of {k} readings of {len(scores)} words after "
                f"{MOST_BEGINNINGS:,} steps: the model holds too many for about equally "
                "probable. Ask for fewer, or of a shorter text."
            )
        tags = twins.get_tags(last.group)
        ways = last.totals[tags, None] + between[int(is_start[i])][tags]
        go_on(i, np.logaddexp.reduce(ways, axis=0) + scores[i], last)
    ended.sort(key=attrgetter("log_bound"), reverse=True)
    paths = [read_back(reading, twins) for reading in ended]
    return np.stack(paths), np.asarray([reading.log_bound for reading in ended])


def bound_rests(
    scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray, twins: Twins
) -> list[np.ndarray]:
    """Bound from above what all paths of one reading sum up to behind each word.

    Twins have to go on with the same group, as in the reading. From there on, it is
    as if each could choose its own best way: that only makes a difference where the
    next word has twins too.

    RETURNS (List[ndarray]): For each word, as logs, by its tag and the group that the
        next word has a tag of. Shapes: (n_tags, n_groups), of the last word (n_tags, 1).
    """
    between = (steps[:-1, :-1], steps[:-1, -1:] + steps[-1, :-1])
    rests = [steps[:-1, -1:]]
    for i in range(len(scores) - 1, 0, -1):
        # Shape: (n_tags before, n_tags, n_groups behind)
        ways = between[int(is_start[i])][:, :, None] + (scores[i, :, None] + rests[-1])
        rests.append(twins.sum_groups(ways, axis=1).max(axis=2))
    return rests[::-1]


def read_back(reading: Beginning, twins: Twins) -> np.ndarray:
    """Give a path of a reading: of twins the first. Shape: (n_words,)."""
    path = []
    last: Beginning | None = reading
    while last is not None:
        path.append(twins.get_tags(last.group)[0])
        last = last.before
    return np.asarray(path[::-1])
