"""Tag scores and learned steps between tags → likelihood, best path, best k paths."""

from typing import NamedTuple

import numpy as np

from .best_path import find_ends
from .marginals import Marginals, pack_sentences, sum_paths


def compute_path_loss(
    scores: np.ndarray, gold: np.ndarray, is_start: np.ndarray, steps: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Compute the exact negative log-likelihood of the gold paths, and its gradients.

    Words without a gold tag are summed out: the likelihood is that of all valid
    paths through the tags that are known (Tsuboi et al. 2008). Source of the model:
    Lafferty et al. 2001.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    gold (ndarray): Indices into the tags, -1 where unknown. Shape: (n_words,).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): As `build_steps` gives them. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (Tuple[float, ndarray, ndarray]): The loss for each known word, in nats;
        d_scores and d_steps in the shapes of their arrays.
    """
    n_known = int((gold >= 0).sum())
    if not n_known:
        return 0.0, np.zeros_like(scores), np.zeros_like(steps)
    every = sum_paths(scores, is_start, steps)
    known: Marginals | Followed
    if n_known == len(gold):
        known = follow_path(gold, scores, is_start, steps)
    else:
        is_wrong = (gold[:, None] >= 0) & (gold[:, None] != np.arange(scores.shape[1]))
        known = sum_paths(np.where(is_wrong, -np.inf, scores), is_start, steps)
    loss = (every.log_sum - known.log_sum) / n_known
    return loss, (every.tags - known.tags) / n_known, (every.steps - known.steps) / n_known


class Followed(NamedTuple):
    """What `Marginals` says, where only one path is possible.

    log_sum (float): The sum of its scores.
    tags (ndarray): 1 for its tags, 0 for others. Shape: (n_words, n_tags).
    steps (ndarray): How often it takes each step. Shape: (n_tags + 1, n_tags + 1).
    """

    log_sum: float
    tags: np.ndarray
    steps: np.ndarray


def follow_path(
    path: np.ndarray, scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray
) -> Followed:
    """Sum the scores along one valid path.

    path (ndarray): Indices into the tags. Shape: (n_words,).
    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): As `build_steps` gives them. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (Followed): The sum, and what the path takes.
    """
    border = scores.shape[1]
    before = np.where(is_start, border, np.roll(path, 1))
    lasts = path[find_ends(is_start)]
    taken = np.zeros(steps.shape)
    np.add.at(taken, (before, path), 1.0)
    np.add.at(taken, (lasts, border), 1.0)
    along = np.take_along_axis(scores, path[:, None], axis=1).sum(dtype=np.float64)
    between = steps[before, path].sum(dtype=np.float64) + steps[lasts, border].sum(dtype=np.float64)
    return Followed(float(along + between), np.eye(border)[path], taken)


def find_best_crf_path(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Find the path with the highest sum of scores and steps (Viterbi).

    All sentences are walked through together.

    scores (ndarray): Scores of each word's tags, -inf to forbid one. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): As `build_steps` gives them. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    """
    order, borders = pack_sentences(is_start)
    best_before = np.zeros(scores.shape, dtype=np.int64)
    totals = scores[order].astype(np.float64)
    n_first = borders[1] if len(order) else 0
    totals[:n_first] += steps[-1, :-1]
    # The tag before comes last: the search through it is the inner loop.
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
    steps (ndarray): As `build_steps` gives them. Shape: (n_tags + 1, n_tags + 1).
    k (int): How many; fewer if there are not as many valid ones.
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
