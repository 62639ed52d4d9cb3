"""Tag scores and steps between tags → the best valid path, or the k best."""

import numpy as np

from ..tag.tag_set import TagSet
from .repair import repair_path
from .viterbi import add_borders, search_path


def build_steps(tag_set: TagSet, transitions: np.ndarray | None = None) -> np.ndarray:
    """Get the score of each step from tag to tag: -inf if the rules forbid it.

    tag_set (TagSet): The tags and their rules.
    transitions (ndarray | None): Learned scores of the steps; `None` for 0.
        Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): The scores; the last row and column are steps from and to a
        sentence border.
        Shape: (n_tags + 1, n_tags + 1).
    """
    return np.where(tag_set.follows, 0.0 if transitions is None else transitions, -np.inf)


def find_best_path(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Find the path with the highest sum of scores and steps.

    Without learned steps, no path is better than the best tags of all words, where they
    follow the rules. The other places are searched.

    scores (ndarray): Scores of each word's tags, -inf to forbid one. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    RAISES (ValueError): If a word has no finite score, or any score or step is NaN.
    """
    n_damaged = 0
    if not np.isfinite(scores).all():
        n_damaged = int((~np.isfinite(scores.max(axis=1))).sum())
    if n_damaged or np.isnan(steps).any():
        raise ValueError(
            f"The tag scores of {n_damaged} of {len(scores)} words, or the scores of steps "
            "between tags, are not finite numbers. Numbers above 65,504 are infinite in float16: "
            "compute in float32 or bfloat16. If that doesn't help, the weights are damaged."
        )
    within = add_borders(scores, is_start, steps)
    if steps[np.isfinite(steps)].any():
        return search_path(within, is_start, steps)
    return repair_path(within.argmax(axis=1), within, is_start, steps)


def find_best_paths(
    scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k best paths through one text, best first.

    scores (ndarray): Scores of each word's tags, -inf to forbid one. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    k (int): Number of paths; fewer if there are not that many valid ones.
    RETURNS (Tuple[ndarray, ndarray]): Indices into the tags, and the sums of scores.
        Shapes: (n_paths, n_words), (n_paths,).
    """
    n_tags = scores.shape[1]
    inner, opens, closes = steps[:-1, :-1], steps[-1, :-1], steps[:-1, -1]
    across = closes[:, None] + opens[None, :]
    # The best sums of paths that end in each tag, best first. Shape: (k, n_tags)
    totals = np.full((k, n_tags), -np.inf)
    totals[0] = opens + scores[0]
    origins = []
    for i in range(1, len(scores)):
        step = across if is_start[i] else inner
        candidates = (totals[:, :, None] + step).reshape(k * n_tags, n_tags)
        origin = np.argsort(-candidates, axis=0, kind="stable")[:k]
        totals = np.take_along_axis(candidates, origin, axis=0) + scores[i]
        origins.append(origin)
    sums = (totals + closes).ravel()
    last = np.argsort(-sums, kind="stable")[:k]
    last = last[np.isfinite(sums[last])]
    states = [last]
    for origin in reversed(origins):
        rank, tag = np.divmod(states[-1], n_tags)
        states.append(origin[rank, tag])
    return np.stack(states[::-1], axis=1) % n_tags, sums[last]
