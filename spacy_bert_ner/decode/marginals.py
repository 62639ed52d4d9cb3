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
    before (ndarray): Probability of each tag, given the words up to this one. Shape:
        (n_words, n_tags).
    after (ndarray): The factor by which later words change it: `tags` is the product of
        the two. Shape: (n_words, n_tags).
    enter (ndarray): Factor for entering each word's tag, without the factor of the
        step. Shape: (n_words, n_tags).
    moves (ndarray): Factor of each step within a sentence. Shape: (n_tags, n_tags).
    is_start (ndarray): As in `sum_paths`. Shape: (n_words,).
    """

    log_sum: float
    before: np.ndarray
    after: np.ndarray
    enter: np.ndarray
    moves: np.ndarray
    is_start: np.ndarray

    @property
    def tags(self) -> np.ndarray:
        """Probability of each tag. Shape: (n_words, n_tags)."""
        return self.before * self.after

    @property
    def steps(self) -> np.ndarray:
        """Expected count of each step; the last row and column are steps from and to a border.

        Shape: (n_tags + 1, n_tags + 1).
        """
        tags, inner = self.tags, np.flatnonzero(~self.is_start)
        coming = self.enter[inner] * self.after[inner]
        steps = np.zeros((tags.shape[1] + 1, tags.shape[1] + 1))
        steps[:-1, :-1] = self.moves * (self.before[inner - 1].T @ coming)
        steps[-1, :-1] = tags[self.is_start].sum(axis=0)
        steps[:-1, -1] = tags[find_ends(self.is_start)].sum(axis=0)
        return steps


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
    # Sentences are the last axis, so that inner loops run over them. Shape: (n_tags, n_words)
    sorted_scores = np.ascontiguousarray(scores[order].T, dtype=np.float64)
    best = sorted_scores.max(axis=0)
    emit = np.exp(np.maximum(sorted_scores - best, -MAX_GAP))
    emit[np.isneginf(sorted_scores)] = 0.0
    factors = np.exp(steps)
    moves, opens, closes = factors[:-1, :-1], factors[-1, :-1], factors[:-1, -1]

    before, norms = np.empty_like(emit), np.empty(emit.shape[1])
    for here, last in zip(slices, [None, *slices[:-1]], strict=True):
        n = here.stop - here.start
        reached = opens[:, None] if last is None else moves.T @ before[:, last][:, :n]
        found = reached * emit[:, here]
        norms[here] = found.sum(axis=0)
        before[:, here] = found / norms[here]

    enter = emit / norms
    lasts = np.flatnonzero(find_ends(is_start)[order])
    ends = closes @ before[:, lasts]
    after = np.empty_like(emit)
    after[:, lasts] = closes[:, None] / ends
    for here, last in zip(slices[:0:-1], slices[-2::-1], strict=True):
        n = here.stop - here.start
        after[:, last][:, :n] = moves @ (enter[:, here] * after[:, here])

    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    log_sum = float(np.log(norms).sum() + np.log(ends).sum() + best.sum())
    before, after, enter = (X[:, back].T for X in (before, after, enter))
    return Marginals(log_sum, before, after, enter, moves, is_start)


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
