"""Wordpieces → windows with context → length buckets; and the exact inverse."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .table import Pieces, gather_ragged

# The share of a bucket's budget that may be padding: about what one more call of
# the encoder costs, so that a shorter bucket would not save time.
PADDED_SHARE = 1 / 32


class Windows(NamedTuple):
    """Stretches of pieces that the encoder reads, and the tokens each predicts.

        pieces   ──────[ context | predicted tokens | context ]──────
                       start                                   end

    starts, ends (Ints1d): The pieces that are read. Shape: (n_windows,).
    first_tokens, last_tokens (Ints1d): The tokens that are predicted, end
        exclusive. Shape: (n_windows,).
    """

    starts: np.ndarray
    ends: np.ndarray
    first_tokens: np.ndarray
    last_tokens: np.ndarray


class Bucket(NamedTuple):
    """Windows of similar length, padded to one array.

    ids (Ints2d): Piece ids, as in `Pieces`. Shape: (n_windows, n_columns).
    lengths (Ints1d): Pieces of each window, specials included. Shape: (n_windows,).
    tokens (Ints1d): Row of each predicted token in the batch. Shape: (n_tokens,).
    firsts (Ints1d): Where each of these tokens' first piece stands in the
        flattened ids. Shape: (n_tokens,).
    token_lengths (Ints1d): Pieces of each of these tokens. Shape: (n_tokens,).
    """

    ids: np.ndarray
    lengths: np.ndarray
    tokens: np.ndarray
    firsts: np.ndarray
    token_lengths: np.ndarray


def tokens_to_pieces(bucket: Bucket, starts: np.ndarray) -> Bucket:
    """Give each piece of a bucket's tokens a row of its own.

    bucket (Bucket): Windows, and the tokens that they predict.
    starts (Ints1d): Row of each token's first piece in the batch; its other pieces
        follow. Shape: (n_tokens of the batch,).
    RETURNS (Bucket): The same windows; its tokens are the pieces.
    """
    firsts = gather_ragged(np.arange(bucket.ids.size), bucket.firsts, bucket.token_lengths)
    rows = np.repeat(starts[bucket.tokens] - bucket.firsts, bucket.token_lengths) + firsts
    return bucket._replace(tokens=rows, firsts=firsts, token_lengths=np.ones_like(firsts))


def split_windows(
    lengths: np.ndarray,
    doc_lengths: np.ndarray,
    *,
    size: int,
    context: int,
    sent_starts: dict[int, np.ndarray] | None = None,
) -> Windows:
    """Cut docs into windows of at most `size` pieces.

    A doc that fits is one window. A longer one is cut at token borders, at
    sentence borders where these are given, into windows of about one length that
    overlap by `context` pieces on either side of each border. So each token is
    predicted once, by the window in which it has most context.

    lengths (Ints1d): Pieces of each token, at most `size`. Shape: (n_tokens,).
    doc_lengths (Ints1d): Tokens of each doc. Shape: (n_docs,).
    size (int): Most pieces of a window, special ones not included.
    context (int): Pieces of context on either side of a border.
    sent_starts (Dict[int, Ints1d]): For docs whose sentences are known: the doc's
        row and the tokens that start a sentence, counted from the doc's start.
    RETURNS (Windows): In document order; none for a doc without pieces.
    """
    # shape: (n_tokens + 1,); pieces before each token
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    last_tokens = np.cumsum(doc_lengths)
    first_tokens = last_tokens - doc_lengths
    n_pieces = offsets[last_tokens] - offsets[first_tokens]
    windows = Windows(offsets[first_tokens], offsets[last_tokens], first_tokens, last_tokens)
    if (n_pieces > 0).all() and (n_pieces <= size).all():
        return windows
    parts = []
    for row in np.flatnonzero(n_pieces > 0):
        if n_pieces[row] <= size:
            parts.append(Windows(*(column[row : row + 1] for column in windows)))
            continue
        first, last = int(first_tokens[row]), int(last_tokens[row])
        breaks = (sent_starts or {}).get(int(row), np.zeros(0, dtype=np.int64))
        local = offsets[first : last + 1]
        parts.append(_split_doc(local, breaks, size=size, context=context, first=first))
    empty = Windows(*(column[:0] for column in windows))
    return Windows(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))


def _split_doc(
    offsets: np.ndarray, breaks: np.ndarray, *, size: int, context: int, first: int
) -> Windows:
    borders = np.array(_find_borders(offsets, breaks, size=size, context=context))
    starts, ends = borders[:-1], borders[1:]
    core = offsets[ends] - offsets[starts]
    has_left, has_right = starts > 0, ends < len(offsets) - 1
    # a word of many pieces leaves less room for context
    room = np.minimum(context, (size - core) // np.maximum(1, has_left * 1 + has_right))
    lows = np.searchsorted(offsets, offsets[starts] - room * has_left, side="left")
    highs = np.searchsorted(offsets, offsets[ends] + room * has_right, side="right") - 1
    return Windows(offsets[lows], offsets[highs], starts + first, ends + first)


def _find_borders(offsets: np.ndarray, breaks: np.ndarray, *, size: int, context: int) -> list[int]:
    # offsets shape: (n_tokens + 1,); borders are tokens: 0 < … < n_tokens
    n_tokens = len(offsets) - 1
    borders = [0]
    while borders[-1] < n_tokens:
        start = borders[-1]
        rest = offsets[-1] - offsets[start]
        left = context if start else 0
        if rest + left <= size:
            borders.append(n_tokens)
            continue
        # the furthest piece that leaves room for context, and a fair share of the rest
        reach = offsets[start] + size - left - context
        n_windows = -(-(rest - context) // (size - 2 * context))
        target = min(offsets[start] + -(-rest // n_windows), reach)
        end = int(np.searchsorted(offsets, target, side="right")) - 1
        near = breaks[
            (offsets[breaks] > offsets[start] + (target - offsets[start]) // 2)
            & (offsets[breaks] <= reach)
        ]
        if len(near):
            end = int(near[np.argmin(np.abs(offsets[near] - target))])
        # at least one token that has pieces; no window for whitespace at the end
        end = max(end, int(np.searchsorted(offsets, offsets[start], side="right")))
        borders.append(end if offsets[end] < offsets[-1] else n_tokens)
    return borders


def split_buckets(lengths: np.ndarray, *, budget: int) -> list[np.ndarray]:
    """Group windows of similar length, so that little is padded.

    lengths (Ints1d): Pieces of each window, specials included. Shape: (n_windows,).
    budget (int): Most pieces of a bucket, padding included; a longer window
        stands alone.
    RETURNS (List[Ints1d]): Rows of the windows, longest first; each row once.
    """
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order]
    # shape: (n_windows + 1,); pieces before each window
    sums = np.concatenate([[0], np.cumsum(ordered)])
    buckets = []
    start = 0
    while start < len(order):
        n_columns = int(ordered[start])
        end = min(start + max(1, budget // n_columns), len(order))
        # padding if the bucket ended after each of its windows
        counts = np.arange(1, end - start + 1)
        padding = counts * n_columns - (sums[start + 1 : end + 1] - sums[start])
        end = start + max(1, int(np.searchsorted(padding, budget * PADDED_SHARE, side="right")))
        buckets.append(order[start:end])
        start = end
    return buckets


def fill_buckets(
    pieces: Pieces,
    windows: Windows,
    *,
    budget: int,
    prefix: Sequence[int],
    suffix: Sequence[int],
    pad: int,
) -> Iterator[Bucket]:
    """Pad windows of similar length to arrays that the encoder reads.

    pieces (Pieces): The pieces of the batch.
    windows (Windows): The windows over them.
    budget (int): Most pieces of a bucket, padding included.
    prefix, suffix (Sequence[int]): Special pieces around each window.
    pad (int): The piece that pads.
    YIELDS (Bucket): Every window once; every token that has pieces once.
    """
    offsets = np.concatenate([[0], np.cumsum(pieces.lengths)])
    n_special = len(prefix) + len(suffix)
    for rows in split_buckets(windows.ends - windows.starts + n_special, budget=budget):
        starts = windows.starts[rows]
        n_pieces = windows.ends[rows] - starts
        n_columns = int(n_pieces.max()) + n_special
        # shape: (n_windows, n_columns)
        ids = np.full((len(rows), n_columns), pad, dtype=np.int64)
        ids[:, : len(prefix)] = prefix
        columns = np.arange(n_columns - n_special)
        is_piece = columns < n_pieces[:, None]
        ids[:, len(prefix) : n_columns - len(suffix)][is_piece] = gather_ragged(
            pieces.ids, starts, n_pieces
        )
        for i, piece in enumerate(suffix):
            ids[np.arange(len(rows)), n_pieces + len(prefix) + i] = piece
        n_tokens = windows.last_tokens[rows] - windows.first_tokens[rows]
        tokens = gather_ragged(np.arange(len(offsets) - 1), windows.first_tokens[rows], n_tokens)
        # shape: (n_windows,); where piece 0 of the batch would stand in each row
        bases = np.arange(len(rows)) * n_columns + len(prefix) - starts
        firsts = np.repeat(bases, n_tokens) + offsets[tokens]
        has_pieces = pieces.lengths[tokens] > 0
        tokens = tokens[has_pieces]
        yield Bucket(ids, n_pieces + n_special, tokens, firsts[has_pieces], pieces.lengths[tokens])


def join_buckets(buckets: Sequence[Bucket], values: Sequence[np.ndarray]) -> np.ndarray:
    """Put values of the buckets' pieces back into document order.

    The inverse of `fill_buckets`: with the buckets' own ids as values, it gives
    back the pieces of all tokens.

    buckets (Sequence[Bucket]): The buckets.
    values (Sequence[Array2d]): A value for each of their pieces, in the shape of
        the bucket's ids.
    RETURNS (Array1d): The values of the tokens' pieces. Shape: (n_pieces,).
    """
    taken = [
        gather_ragged(value.ravel(), bucket.firsts, bucket.token_lengths)
        for bucket, value in zip(buckets, values, strict=True)
    ]
    tokens = np.concatenate([np.repeat(b.tokens, b.token_lengths) for b in buckets])
    return np.concatenate(taken)[np.argsort(tokens, kind="stable")]
