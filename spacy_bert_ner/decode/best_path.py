"""Tag scores and steps between tags → the best valid path, or the k best."""

import numpy as np

from ..tag.tag_set import TagSet
from .sentences import find_ends, pack_sentences


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

    Without learned steps, a sentence whose best tags follow the rules needs no search:
    no path is better. All other sentences are searched.

    scores (ndarray): Scores of each word's tags, -inf to forbid one. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    RAISES (ValueError): If a word has no finite score, or any score or step is NaN.
    """
    n_damaged = int((~np.isfinite(scores.max(axis=1))).sum())
    if n_damaged or np.isnan(steps).any():
        raise ValueError(
            f"The tag scores of {n_damaged} of {len(scores)} words, or the scores of steps "
            "between tags, are not finite numbers. Numbers above 65,504 are infinite in float16: "
            "compute in float32 or bfloat16. If that doesn't help, the weights are damaged."
        )
    if steps[np.isfinite(steps)].any():
        return search_path(scores, is_start, steps)
    ends = find_ends(is_start)
    allowed = scores + np.where(is_start[:, None], steps[-1, :-1], 0.0)
    path = (allowed + np.where(ends[:, None], steps[:-1, -1], 0.0)).argmax(axis=1)
    sentence = np.cumsum(is_start) - 1
    is_broken = ~is_start[1:] & np.isneginf(steps[path[:-1], path[1:]])
    is_searched = np.isin(sentence, sentence[1:][is_broken])
    if is_searched.any():
        path[is_searched] = search_path(scores[is_searched], is_start[is_searched], steps)
    return path


def search_path(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Find the best path step by step (Viterbi), in all sentences together.

    It has the same arguments and result as `find_best_path`.
    """
    order, borders = pack_sentences(is_start)
    best_before = np.zeros(scores.shape, dtype=np.int64)
    totals = scores[order].astype(np.float64)
    n_first = borders[1] if len(order) else 0
    totals[:n_first] += steps[-1, :-1]
    # The previous tag is the last axis, so that the inner loop runs over it.
    into = np.ascontiguousarray(steps[:-1, :-1].T, dtype=np.float64)
    for begin, here, end in zip(borders, borders[1:], borders[2:], strict=False):
        n = end - here
        # Shape: (n_sentences, n_tags, n_tags before)
        candidates = totals[begin : begin + n, None, :] + into
        best = candidates.argmax(axis=2)
        best_before[here:end] = best
        totals[here:end] += np.take_along_axis(candidates, best[..., None], axis=2)[..., 0]
    path = (totals + steps[:-1, -1]).argmax(axis=1)
    for begin, here, end in reversed(list(zip(borders, borders[1:], borders[2:], strict=False))):
        n = end - here
        path[begin : begin + n] = best_before[np.arange(here, end), path[here:end]]
    found = np.empty_like(path)
    found[order] = path
    return found


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
