"""Tag scores with those of sentence borders → the best valid path, step by step."""

import numpy as np

from .sentences import find_ends, pack_sentences


def add_borders(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Add the scores of the steps from and to sentence borders to those of the words.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): The sums. Shape: (n_words, n_tags).
    """
    opened = scores + np.where(is_start[:, None], steps[-1, :-1], 0.0)
    return opened + np.where(find_ends(is_start)[:, None], steps[:-1, -1], 0.0)


def search_path(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Find the best path step by step (Viterbi), in all sentences together.

    scores (ndarray): The result of `add_borders`. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    """
    order, borders = pack_sentences(is_start)
    best_before = np.zeros(scores.shape, dtype=np.int64)
    totals = scores[order].astype(np.float64)
    # The previous tag is the last axis, so that the inner loop runs over it.
    into = np.ascontiguousarray(steps[:-1, :-1].T, dtype=np.float64)
    for begin, here, end in zip(borders, borders[1:], borders[2:], strict=False):
        n = end - here
        # Shape: (n_sentences, n_tags, n_tags before)
        candidates = totals[begin : begin + n, None, :] + into
        best = candidates.argmax(axis=2)
        best_before[here:end] = best
        totals[here:end] += np.take_along_axis(candidates, best[..., None], axis=2)[..., 0]
    path = totals.argmax(axis=1)
    for begin, here, end in reversed(list(zip(borders, borders[1:], borders[2:], strict=False))):
        n = end - here
        path[begin : begin + n] = best_before[np.arange(here, end), path[here:end]]
    found = np.empty_like(path)
    found[order] = path
    return found
