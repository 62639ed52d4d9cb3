"""Features of words, multiplied by a linear layer's weights → its sums; each word form once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from thinc.api import Model

# 2^64 / golden ratio: its odd multiples spread the sums of hashes.
MIX = np.uint64(0x9E3779B97F4A7C15)


class Products(NamedTuple):
    """Vectors of words that are sums of some rows of a table.

    table (torch.Tensor): Shape: (n_rows, n_out).
    rows (torch.Tensor): The rows of each word. Shape: (n_tokens, n_parts).
    """

    table: torch.Tensor
    rows: torch.Tensor

    def sum(self, words: slice) -> torch.Tensor:
        """RETURNS (torch.Tensor): The vectors of some words. Shape: (n_words, n_out)."""
        return torch.nn.functional.embedding_bag(self.rows[words], self.table, mode="sum")


def multiply_forms(
    embed: Model, rows: np.ndarray, lengths: Sequence[int], weight: torch.Tensor
) -> Products:
    """Multiply the embedded forms of each word and its neighbours by a matrix.

    A batch has about a fourth as many forms as words, and only these are embedded and
    multiplied.

    embed (Model[Ints2d, Floats2d]): Embeds forms. Width of a vector: width.
    rows (ndarray): The form of each word, doc after doc. Shape: (n_tokens, n_attrs).
    lengths (Sequence[int]): The number of words of each doc.
    weight (torch.Tensor): The matrix. Shape: (n_out, width * (2 * window + 1)).
    RETURNS (Products): For each word, those of its own form and of its neighbours'.
    """
    forms, index = find_distinct(rows)
    E = torch.from_numpy(embed.predict(forms))
    n_out, (n_forms, width) = len(weight), E.shape
    n_spots = weight.shape[1] // width
    # Shape: (n_out * n_spots, width)
    by_spot = weight.reshape(n_out, n_spots, width).transpose(0, 1).reshape(-1, width)
    # The last row is for spots outside of the doc. Shape: (n_forms * n_spots + 1, n_out)
    P = torch.from_numpy(np.zeros((n_forms * n_spots + 1, n_out), dtype="f"))
    torch.mm(E, by_spot.T, out=P[:-1].view(n_forms, -1))
    spots = np.arange(n_spots) - n_spots // 2
    ends = np.repeat(np.cumsum(lengths), lengths)[:, None]
    starts = ends - np.repeat(lengths, lengths)[:, None]
    # Shape: (n_tokens, n_spots)
    words = np.arange(len(rows))[:, None] + spots
    is_inside = (words >= starts) & (words < ends)
    taken = index[np.where(is_inside, words, 0)] * n_spots + np.arange(n_spots)
    taken = np.where(is_inside, taken, n_forms * n_spots)
    return Products(P, torch.from_numpy(taken))


def find_distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the distinct rows of an array.

    rows (ndarray): Hashes. Shape: (n_rows, n_columns).
    RETURNS (Tuple[ndarray, ndarray]): The distinct rows; which of them each row is.
        Shapes: (n_distinct, n_columns), (n_rows,).
    """
    mixed = rows[:, 0]
    for column in rows.T[1:]:
        mixed = mixed * MIX + column
    _, firsts, index = np.unique(mixed, return_index=True, return_inverse=True)
    distinct = rows[firsts]
    if (distinct[index] == rows).all():
        return distinct, index
    distinct, index = np.unique(rows, axis=0, return_inverse=True)
    return distinct, index.ravel()
