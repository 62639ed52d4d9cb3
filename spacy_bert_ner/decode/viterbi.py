"""Tag scores with those of sentence borders → the best valid path, step by step."""

import numpy as np

from .sentences import find_ends, pack_sentences


def add_borders(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Add the scores of the steps from and to sentence borders to those of the words.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): The sums, in float64. Shape: (n_words, n_tags).
    """
    totals = scores.astype(np.float64)
    totals[is_start] += steps[-1, :-1]
    totals[find_ends(is_start)] += steps[:-1, -1]
    return totals


def search_path(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Find the best path step by step (Viterbi), in all sentences together.

    scores (ndarray): The result of `add_borders`. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    """
    order, borders = pack_sentences(is_start)
    steps_on = list(zip(borders, borders[1:], borders[2:], strict=False))
    # Sentences are the last axis, so that inner loops run over them. Shape: (n_tags, n_words)
    totals = np.ascontiguousarray(scores[order].T, dtype=np.float64)
    moves = steps[:-1, :-1].astype(np.float64)
    for begin, here, end in steps_on:
        before = totals[:, None, begin : begin + end - here]
        totals[:, here:end] += (before + moves[:, :, None]).max(axis=0)
    path = totals.argmax(axis=0)
    for begin, here, end in reversed(steps_on):
        last = slice(begin, begin + end - here)
        path[last] = (totals[:, last] + moves[:, path[here:end]]).argmax(axis=0)
    found = np.empty_like(path)
    found[order] = path
    return found
