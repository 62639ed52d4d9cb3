"""Wordpieces → windows with context in buckets of similar length."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .table import Pieces, gather_ragged

# The share of a bucket's budget that may be padding: about the cost of one more call of
# the encoder, so a shorter bucket would save no time.
PADDED_SHARE = 1 / 32


class Windows(NamedTuple):
    """Ranges of pieces that the encoder reads, and the tokens that each predicts.

        pieces   ──────[ context | predicted tokens | context ]──────
                       start                                   end

    starts, ends (Ints1d): The pieces to read, end exclusive. Shape: (n_windows,).
    first_tokens, last_tokens (Ints1d): The tokens to predict, end exclusive. Shape:
        (n_windows,).
    """

    starts: np.ndarray
    ends: np.ndarray
    first_tokens: np.ndarray
    last_tokens: np.ndarray


class Bucket(NamedTuple):
    """Windows of similar length, padded to one array.

    ids (Ints2d): Piece ids, as in `Pieces`. Shape: (n_windows, n_columns).
    lengths (Ints1d): Pieces of each window, special pieces included. Shape: (n_windows,).
    tokens (Ints1d): The row of each predicted token in the batch. Shape: (n_tokens,).
    firsts (Ints1d): The index of each token's first piece in the flattened ids. Shape:
        (n_tokens,).
    token_lengths (Ints1d): The number of pieces of each token. Shape: (n_tokens,).
    """

    ids: np.ndarray
    lengths: np.ndarray
    tokens: np.ndarray
    firsts: np.ndarray
    token_lengths: np.ndarray


def tokens_to_pieces(bucket: Bucket, starts: np.ndarray) -> Bucket:
    """Give each piece of a bucket's tokens its own row.

    bucket (Bucket): Windows and the tokens that they predict.
    starts (Ints1d): The row of each token's first piece in the batch; its other pieces
        follow. Shape: (n_tokens of the batch,).
    RETURNS (Bucket): The same windows, with the pieces as tokens.
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

    A doc that fits is one window. A longer doc is cut at token borders (if possible, at
    sentence borders) into windows of similar length that overlap by `context` pieces on
    each side of a border. Each token is predicted once, by the window that gives it the
    most context.

    lengths (Ints1d): The number of pieces of each token, at most `size`. Shape:
        (n_tokens,).
    doc_lengths (Ints1d): The number of tokens of each doc. Shape: (n_docs,).
    size (int): The most pieces of a window, without special pieces.
    context (int): Pieces of context on each side of a border.
    sent_starts (Dict[int, Ints1d]): Row of a doc with sentences → the tokens that start a
        sentence, counted from the start of the doc.
    RETURNS (Windows): The windows in document order; none for a doc without pieces.
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
    # A word with many pieces leaves less room for context.
    room = np.minimum(context, (size - core) // np.maximum(1, has_left * 1 + has_right))
    lows = np.searchsorted(offsets, offsets[starts] - room * has_left, side="left")
    highs = np.searchsorted(offsets, offsets[ends] + room * has_right, side="right") - 1
    return Windows(offsets[lows], offsets[highs], starts + first, ends + first)


def _find_borders(offsets: np.ndarray, breaks: np.ndarray, *, size: int, context: int) -> list[int]:
    # offsets shape: (n_tokens + 1,); the borders are tokens, from 0 to n_tokens
    n_tokens = len(offsets) - 1
    borders = [0]
    while borders[-1] < n_tokens:
        start = borders[-1]
        rest = offsets[-1] - offsets[start]
        left = context if start else 0
        if rest + left <= size:
            borders.append(n_tokens)
            continue
        # The furthest piece that leaves room for context, and an equal share of the rest.
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
        # At least one token with pieces; no window for whitespace at the end.
        end = max(end, int(np.searchsorted(offsets, offsets[start], side="right")))
        borders.append(end if offsets[end] < offsets[-1] else n_tokens)
    return borders


def split_buckets(lengths: np.ndarray, *, budget: int, part: int | None = None) -> list[np.ndarray]:
    """Group windows of similar length, so that little padding is needed.

    lengths (Ints1d): Pieces of each window, special pieces included. Shape: (n_windows,).
    budget (int): The most pieces of a bucket, padding included; a longer window gets
        its own bucket.
    part (Optional[int]): Pieces above which a bucket is cut into parts of equally many
        windows; None for no cut.
    RETURNS (List[Ints1d]): The rows of the windows, longest first; each row once.
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
        # shape: (n_candidates,); the padding if the bucket ended after each window
        counts = np.arange(1, end - start + 1)
        padding = counts * n_columns - (sums[start + 1 : end + 1] - sums[start])
        end = start + max(1, int(np.searchsorted(padding, budget * PADDED_SHARE, side="right")))
        n_parts = 1 if part is None else -(-(end - start) * n_columns // part)
        buckets += np.array_split(order[start:end], min(n_parts, end - start))
        start = end
    return buckets


def fill_buckets(
    pieces: Pieces,
    windows: Windows,
    *,
    budget: int,
    part: int | None = None,
    prefix: Sequence[int],
    suffix: Sequence[int],
    pad: int,
) -> Iterator[Bucket]:
    """Pad windows of similar length to the arrays that the encoder reads.

    pieces (Pieces): The pieces of the batch.
    windows (Windows): The windows over them.
    budget (int): The most pieces of a bucket, padding included.
    part (Optional[int]): As in `split_buckets`.
    prefix, suffix (Sequence[int]): The special pieces around each window.
    pad (int): The padding piece.
    YIELDS (Bucket): Each window once; each token with pieces once.
    """
    offsets = np.concatenate([[0], np.cumsum(pieces.lengths)])
    n_special = len(prefix) + len(suffix)
    n_pieces_of_windows = windows.ends - windows.starts + n_special
    for rows in split_buckets(n_pieces_of_windows, budget=budget, part=part):
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
        # shape: (n_windows,); where piece 0 of the batch would be in each row
        bases = np.arange(len(rows)) * n_columns + len(prefix) - starts
        firsts = np.repeat(bases, n_tokens) + offsets[tokens]
        has_pieces = pieces.lengths[tokens] > 0
        tokens = tokens[has_pieces]
        yield Bucket(ids, n_pieces + n_special, tokens, firsts[has_pieces], pieces.lengths[tokens])
