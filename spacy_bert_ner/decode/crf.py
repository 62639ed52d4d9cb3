"""Tag scores and learned steps between tags → the likelihood of the paths that fit the gold."""

from typing import NamedTuple

import numpy as np

from ..tag.targets import Targets
from .marginals import Marginals, sum_paths
from .sentences import find_ends


def compute_path_loss(
    scores: np.ndarray, possible: np.ndarray, is_start: np.ndarray, steps: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Compute the exact negative log-likelihood of the gold annotation, and its gradients.

    It is that of all valid paths through the possible tags (Tsuboi et al. 2008): of one
    path if everything was annotated. Source of the model: Lafferty et al. 2001.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    possible (ndarray): The result of `list_possible_tags`. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (Tuple[float, ndarray, ndarray]): The loss per word of which something is
        known, in nats; d_scores and d_steps, in the shapes of `scores` and `steps`.
    """
    n_possible = possible.sum(axis=1)
    n_known = int((n_possible < possible.shape[1]).sum())
    if not n_known:
        return 0.0, np.zeros_like(scores), np.zeros_like(steps)
    every = sum_paths(scores, is_start, steps)
    known: Marginals | Followed
    if (n_possible == 1).all():
        known = follow_path(possible.argmax(axis=1), scores, is_start, steps)
    else:
        known = sum_paths(np.where(possible, scores, -np.inf), is_start, steps)
    loss = (every.log_sum - known.log_sum) / n_known
    return loss, (every.tags - known.tags) / n_known, (every.steps - known.steps) / n_known


class Followed(NamedTuple):
    """The part of `Marginals` that a single path needs.

    log_sum (float): The sum of the path's scores.
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
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (Followed): The sum, the tags and the steps of the path.
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


def compute_taught_loss(
    scores: np.ndarray, targets: Targets, is_start: np.ndarray, steps: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Compute the exact cross-entropy of all paths with those of a teacher, and its gradients.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    targets (Targets): What the teacher believes of the words.
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (Tuple[float, ndarray, ndarray]): The cross-entropy per word, in nats; d_scores and
        d_steps, in the shapes of `scores` and `steps`.
    """
    every = sum_paths(scores, is_start, steps)
    # The rules forbid the others, whose count is 0.
    between = np.where(np.isfinite(steps), steps, 0.0) * targets.steps
    loss = every.log_sum - (scores * targets.tags).sum(dtype=np.float64) - between.sum()
    n = len(scores)
    return loss / n, (every.tags - targets.tags) / n, (every.steps - targets.steps) / n
