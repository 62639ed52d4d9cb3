"""The best tag of each word → the best valid path, searched only where rules are broken."""

from typing import NamedTuple

import numpy as np

from .sentences import find_ends
from .viterbi import search_path

# Words on each side of a forbidden step that are searched first.
REACH = 8
# More than any tag costs.
MOST_LOST = 1e6


def repair_path(
    path: np.ndarray, scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Find the best valid path if allowed steps have no scores.

    Only stretches around the forbidden steps are searched; the words next to a stretch keep
    their best tag. The result is exact: where the best valid path differs from the best
    tags in a row of words, the row touches a forbidden step, or the best tags would be
    better there. A row that leaves a stretch loses at least what the second best tags
    between the forbidden step and the edge do. If that is more than what the search lost
    in the stretch, the row is not on the best path. If it is not, the stretch grows.

    path (ndarray): The best tag of each word. Shape: (n_words,).
    scores (ndarray): The result of `add_borders`. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): 0, or -inf if the rules forbid a step. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    """
    breaks = find_breaks(path, is_start, steps)
    if not len(breaks):
        return path
    second, best = np.partition(scores, -2, axis=1)[:, -2:].T
    finite = np.where(np.isfinite(best), best, 0.0)
    # Shape: (n_words + 1,); what the words before each lose with their second best tags
    losses = np.cumsum(np.append(0.0, np.minimum(finite - second, MOST_LOST)), dtype=np.float64)
    reach = np.full(len(breaks), REACH)
    while True:
        stretches = _open_stretches(breaks, reach, is_start)
        found = path.copy()
        found[stretches.words] = _search_between(path, scores, is_start, steps, stretches)
        lost = np.where(found == path, 0.0, finite - scores[np.arange(len(path)), found])
        # Shape: (n_stretches,)
        costs = np.add.reduceat(lost[stretches.words], np.flatnonzero(stretches.is_first))
        costs[stretches.find(find_breaks(found, is_start, steps))] = np.inf
        room = _measure_room(breaks, stretches, losses, is_start)
        must_grow = np.isfinite(room) & ~(room > costs[stretches.find(breaks)])
        if not must_grow.any():
            return found
        reach[must_grow] *= 4


class Stretches(NamedTuple):
    """Neighbouring words that are searched together.

    words (ndarray): The words of all stretches. Shape: (n_inside,).
    is_first (ndarray): Whether each begins a stretch. Shape: (n_inside,).
    """

    words: np.ndarray
    is_first: np.ndarray

    def find(self, words: np.ndarray) -> np.ndarray:
        """RETURNS (ndarray): The last stretch that begins before each word, or at it."""
        return np.searchsorted(self.words[self.is_first], words, side="right") - 1


def _open_stretches(breaks: np.ndarray, reach: np.ndarray, is_start: np.ndarray) -> Stretches:
    # Stretches end at sentence borders, and those that meet become one.
    borders = np.append(np.flatnonzero(is_start), len(is_start))
    sentence = np.searchsorted(borders, breaks, side="right")
    depth = np.zeros(len(is_start) + 1, dtype=np.int64)
    np.add.at(depth, np.maximum(breaks - reach, borders[sentence - 1]), 1)
    np.add.at(depth, np.minimum(breaks + reach, borders[sentence]), -1)
    words = np.flatnonzero(np.cumsum(depth)[:-1])
    return Stretches(words, np.append(True, np.diff(words) > 1) | is_start[words])


def _measure_room(
    breaks: np.ndarray, stretches: Stretches, losses: np.ndarray, is_start: np.ndarray
) -> np.ndarray:
    # The loss up to the nearer edge of the stretch; no path crosses the edge of a sentence.
    stretch = stretches.find(breaks)
    firsts, lasts = (
        stretches.words[stretches.is_first],
        stretches.words[find_ends(stretches.is_first)],
    )
    left = np.where(is_start[firsts], np.inf, -losses[firsts])[stretch] + losses[breaks]
    right = np.where(find_ends(is_start)[lasts], np.inf, losses[lasts + 1])[stretch]
    return np.minimum(left, right - losses[breaks])


def find_breaks(path: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Find the words whose tag can't follow that of the word before. Shape: (n_breaks,)."""
    return np.flatnonzero(~is_start & np.isneginf(steps[np.roll(path, 1), path]))


def _search_between(
    path: np.ndarray,
    scores: np.ndarray,
    is_start: np.ndarray,
    steps: np.ndarray,
    stretches: Stretches,
) -> np.ndarray:
    # The best path through each stretch, between the tags of the words next to it.
    inside, is_first = stretches
    within = scores[inside].astype(np.float64)
    left = np.flatnonzero(is_first & ~is_start[inside])
    right = np.flatnonzero(find_ends(is_first) & ~find_ends(is_start)[inside])
    within[left] += steps[path[inside[left] - 1], :-1]
    within[right] += steps[:-1, path[inside[right] + 1]].T
    return search_path(within, is_first, steps)
