"""Sentence starts → an order of words that processes all sentences in parallel."""

from typing import NamedTuple

import numpy as np


def find_ends(is_start: np.ndarray) -> np.ndarray:
    """Find the last word of each sentence, as a mask. Shape: (n_words,)."""
    return np.append(is_start[1:], True)[: len(is_start)]


class Packing(NamedTuple):
    """An order of words that processes all sentences in parallel.

    The first words of all sentences come first, that of the longest sentence at the
    beginning, then their second words, and so on. Each step is then one slice without
    padding, and the sentences that continue are the first ones of the previous slice.

    order (ndarray): The words in this order. Shape: (n_words,).
    borders (List[int]): Where each step begins, and the end. Shape: (n_steps + 1,).
    """

    order: np.ndarray
    borders: list[int]


def pack_sentences(is_start: np.ndarray) -> Packing:
    """Find the order that processes all sentences in parallel.

    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    RETURNS (Packing): The order.

    EXAMPLE:
        >>> pack_sentences(np.asarray([True, True, False])).order.tolist()
        [1, 0, 2]
    """
    starts = np.flatnonzero(is_start)
    lengths = np.diff(np.append(starts, len(is_start)))
    by_length = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[by_length], lengths[by_length]
    steps = np.arange(lengths.max(initial=0))
    # Shape: (n_steps,); the sentences that have a word for each step
    counts = len(lengths) - np.searchsorted(lengths[::-1], steps, side="right")
    borders = np.cumsum([0, *counts])
    step = np.repeat(steps, counts)
    order = starts[np.arange(len(is_start)) - borders[step]] + step
    return Packing(order, borders.tolist())
