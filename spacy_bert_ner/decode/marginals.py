"""Tag scores and steps between tags → probabilities of tags, steps and spans."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..tag.tag_set import CONTINUE, OPEN, TagSet, find_spans
from .sentences import find_ends, pack_sentences

# The largest distance, in nats, of a tag to the best tag of its word: too large to show in any
# probability, and small enough that no product of two factors underflows.
MAX_GAP = 300.0


class Marginals(NamedTuple):
    """Sums over all paths through some sentences.

    log_sum (float): Log of the sum of the exponential scores of all paths, added up
        over the sentences.
    tags (ndarray): Probability of each tag. Shape: (n_words, n_tags).
    steps (ndarray): Expected count of each step; the last row and column are steps from
        and to a border. Shape: (n_tags + 1, n_tags + 1).
    before (ndarray): Probability of each tag, given the words up to this one. Shape:
        (n_words, n_tags).
    after (ndarray): The factor by which later words change it: `tags` is the product of
        the two. Shape: (n_words, n_tags).
    enter (ndarray): Factor for entering each word's tag, without the factor of the
        step. Shape: (n_words, n_tags).
    moves (ndarray): Factor of each step within a sentence. Shape: (n_tags, n_tags).
    """

    log_sum: float
    tags: np.ndarray
    steps: np.ndarray
    before: np.ndarray
    after: np.ndarray
    enter: np.ndarray
    moves: np.ndarray


def sum_paths(scores: np.ndarray, is_start: np.ndarray, steps: np.ndarray) -> Marginals:
    """Sum over all tag paths, forward and backward (Rabiner 1989, scaled).

    scores (ndarray): Scores of each word's tags, -inf to forbid one; at least one path
        must remain. Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence; the first does. Shape: (n_words,).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    RETURNS (Marginals): The probabilities.
    """
    order, borders = pack_sentences(is_start)
    slices = [slice(a, b) for a, b in pairwise(borders)]
    best = scores.max(axis=1, keepdims=True)
    gaps = np.maximum(scores - best, -MAX_GAP, dtype=np.float64)
    emit = np.where(np.isneginf(scores), 0.0, np.exp(gaps))[order]
    factors = np.exp(steps)
    moves, opens, closes = factors[:-1, :-1], factors[-1, :-1], factors[:-1, -1]

    before = np.empty_like(emit)
    norms = np.empty((len(emit), 1))
    for here, last in zip(slices, [None, *slices[:-1]], strict=True):
        n = here.stop - here.start
        reached = opens if last is None else before[last][:n] @ moves
        found = reached * emit[here]
        norms[here] = found.sum(axis=1, keepdims=True)
        before[here] = found / norms[here]

    enter = emit / norms
    # Correct for last words; the loop overwrites the others, back to front.
    ends = np.where(find_ends(is_start)[order, None], before @ closes[:, None], 1.0)
    after = closes / ends
    for here, last in zip(slices[:0:-1], slices[-2::-1], strict=True):
        n = here.stop - here.start
        after[last][:n] = (enter[here] * after[here]) @ moves.T

    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    before, after, enter = before[back], after[back], enter[back]
    tags = before * after
    return Marginals(
        log_sum=float(np.log(norms).sum() + np.log(ends).sum() + best.sum()),
        tags=tags,
        steps=sum_step_probs(tags, before, enter * after, moves, is_start),
        before=before,
        after=after,
        enter=enter,
        moves=moves,
    )


def sum_step_probs(
    tags: np.ndarray,
    before: np.ndarray,
    coming: np.ndarray,
    moves: np.ndarray,
    is_start: np.ndarray,
) -> np.ndarray:
    """Count the expected steps from tag to tag; see `Marginals`.

    RETURNS (ndarray): Shape: (n_tags + 1, n_tags + 1).
    """
    inner = np.flatnonzero(~is_start)
    steps = np.zeros((tags.shape[1] + 1, tags.shape[1] + 1))
    steps[:-1, :-1] = moves * (before[inner - 1].T @ coming[inner])
    steps[-1, :-1] = tags[is_start].sum(axis=0)
    steps[:-1, -1] = tags[find_ends(is_start)].sum(axis=0)
    return steps


def score_spans(
    path: np.ndarray, is_start: np.ndarray, marginals: Marginals, tag_set: TagSet
) -> np.ndarray:
    """Compute the probability of each entity on a path.

    It is the weighted share of all valid paths that have exactly this entity, with both
    borders and the label. It sums over the rest of those paths, and over all tags that
    can begin the same entity (IOB1 has two for each label).

    path (ndarray): A valid path. Shape: (n_words,).
    is_start (ndarray): As in `sum_paths`. Shape: (n_words,).
    marginals (Marginals): The result of `sum_paths`.
    tag_set (TagSet): The tags.
    RETURNS (ndarray): From 0 to 1, in the order of `find_spans`. Shape: (n_spans,).
    """
    firsts, lasts = find_spans(path, tag_set)
    if not len(firsts):
        return np.zeros(0)
    moves, enter = marginals.moves, marginals.enter
    is_long = lasts > firsts
    # Shape: (n_spans, n_openers)
    openers = find_openers(tag_set)[path[firsts]]
    ending = np.where(is_long[:, None], path[lasts, None], openers)
    stops = sum_stops(lasts, ending, is_start, marginals, tag_set)
    # Second words. An entity of one word has none; the value written for it is overwritten
    # below.
    seconds = firsts + is_long
    leave = np.where(is_long[:, None], moves[openers, path[seconds, None]], stops)
    inside = enter[np.arange(len(path)), path]
    inside[1:] *= moves[path[:-1], path[1:]]
    inside[seconds] = enter[seconds, path[seconds]]
    inside[firsts] = (marginals.before[firsts[:, None], openers] * leave).sum(axis=1)
    # Multiply within each span, and skip the slices between spans.
    bounds = np.stack([firsts, lasts + 1], axis=1).ravel()
    if bounds[-1] == len(path):
        bounds = bounds[:-1]
    product = np.multiply.reduceat(inside, bounds)[::2]
    return np.clip(product * np.where(is_long, stops[:, 0], 1.0), 0.0, 1.0)


def find_openers(tag_set: TagSet) -> np.ndarray:
    """Get the tags that open an entity of each tag's label; zeros for "O".

    RETURNS (ndarray): Indices into the tags. Shape: (n_tags, n_openers).
    """
    labels = np.asarray(tag_set.labels)
    opening = np.flatnonzero(tag_set.kinds == OPEN)
    inside = np.flatnonzero(labels != "")
    # Row by row: every label has the same number of opening tags.
    _, found = np.nonzero(labels[inside, None] == labels[opening])
    openers = np.zeros((len(labels), len(found) // len(inside)), dtype=np.int64)
    openers[inside] = opening[found].reshape(len(inside), -1)
    return openers


def sum_stops(
    lasts: np.ndarray,
    tags: np.ndarray,
    is_start: np.ndarray,
    marginals: Marginals,
    tag_set: TagSet,
) -> np.ndarray:
    """Compute the factor of all that follows some words if no entity continues after them.

    lasts (ndarray): The words. Shape: (n_spans,).
    tags (ndarray): Possible tags of each word. Shape: (n_spans, n).
    is_start (ndarray): As in `sum_paths`. Shape: (n_words,).
    marginals (Marginals): The result of `sum_paths`.
    tag_set (TagSet): The tags.
    RETURNS (ndarray): The factor if the word has the tag. Shape: (n_spans, n).
    """
    stops = marginals.after[lasts[:, None], tags]
    inner = np.flatnonzero(~find_ends(is_start)[lasts])
    later = lasts[inner] + 1
    coming = marginals.enter[later] * marginals.after[later] * (tag_set.kinds != CONTINUE)
    stops[inner] = np.einsum("snt,st->sn", marginals.moves[tags[inner]], coming)
    return stops
