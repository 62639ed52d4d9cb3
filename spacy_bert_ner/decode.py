"""Tag scores → the best valid tag path → spans."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Span = tuple[int, int, str]

# What a tag does to the entity that it belongs to.
OUTSIDE, OPEN, CONTINUE = 0, 1, 2


class TagSet(NamedTuple):
    """The tags of a head in a fixed order, and which may stand where.

    tags (Tuple[str, ...]): "O" first, then "B-X", "I-X" for each label X.
    labels (Tuple[str, ...]): Label of each tag, "" for "O". Shape: (n_tags,).
    kinds (ndarray): OUTSIDE, OPEN or CONTINUE for each tag. Shape: (n_tags,).
    follows (ndarray): Whether tag b may follow tag a. Shape: (n_tags, n_tags).
    starts (ndarray): Whether a path may start with the tag. Shape: (n_tags,).
    """

    tags: tuple[str, ...]
    labels: tuple[str, ...]
    kinds: np.ndarray
    follows: np.ndarray
    starts: np.ndarray


def build_tag_set(labels: Sequence[str]) -> TagSet:
    """Give the IOB2 tags for some labels and the rules between them.

    labels (Sequence[str]): The labels, without repeats.
    RETURNS (TagSet): One "O" and two tags for each label, in the given order.

    EXAMPLE:
        >>> build_tag_set(["LOC", "PER"]).tags
        ('O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER')
    """
    tags, tag_labels, kinds = ["O"], [""], [OUTSIDE]
    for label in labels:
        tags += [f"B-{label}", f"I-{label}"]
        tag_labels += [label, label]
        kinds += [OPEN, CONTINUE]
    kind = np.asarray(kinds)
    same_label = np.asarray(tag_labels)[:, None] == np.asarray(tag_labels)[None, :]
    starts = kind != CONTINUE
    follows = starts[None, :] | (same_label & (kind != OUTSIDE)[:, None])
    return TagSet(tuple(tags), tuple(tag_labels), kind, follows, starts)


def find_best_path(scores: np.ndarray, is_start: np.ndarray, tag_set: TagSet) -> np.ndarray:
    """Find the valid tag path with the highest sum of scores.

    Several texts are decoded as one array. The search begins with each token on
    its own, that is, without the rules between neighbours. Wherever the result
    breaks a rule, the two stretches on its sides are joined and searched again
    under the rules, until none is broken. Each round solves a relaxed problem
    exactly, so the first valid path is a best one; almost always the stretches
    are a few tokens long, so the time is that of an argmax.

    scores (ndarray): Scores of each word; at least "O" finite. Shape: (n_words, n_tags).
    is_start (ndarray): Words that no entity reaches from before: the first of a
        text, of a sentence. Shape: (n_words,).
    tag_set (TagSet): The tags and their rules.
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    """
    scores = np.where(is_start[:, None] & ~tag_set.starts[None, :], -np.inf, scores)
    path = scores.argmax(axis=1)
    # A border stands before each word that begins a stretch searched on its own.
    is_border = np.ones(len(path) + 1, dtype=bool)
    while True:
        is_broken = ~tag_set.follows[path[:-1], path[1:]] & ~is_start[1:]
        broken = np.flatnonzero(is_broken) + 1
        if not len(broken):
            return path
        is_border[broken] = False
        borders = np.flatnonzero(is_border)
        ends = np.searchsorted(borders, broken, side="right")
        for end in np.unique(ends):
            stretch = slice(borders[end - 1], borders[end])
            path[stretch] = search_stretch(scores[stretch], is_start[stretch], tag_set)


def search_stretch(scores: np.ndarray, is_start: np.ndarray, tag_set: TagSet) -> np.ndarray:
    """Find the best valid path through one stretch of words (Viterbi).

    scores (ndarray): Scores, already -inf where a start forbids. Shape: (n, n_tags).
    is_start (ndarray): As in `find_best_path`. Shape: (n,).
    tag_set (TagSet): The tags and their rules.
    RETURNS (ndarray): Indices into the tags. Shape: (n,).
    """
    # Cost of going from tag a to tag b inside an entity's reach. Shape: (n_tags, n_tags)
    steps = np.where(tag_set.follows, 0.0, -np.inf)
    best_before = np.zeros((len(scores), scores.shape[1]), dtype=np.int64)
    total = scores[0]
    for i in range(1, len(scores)):
        candidates = total[:, None] if is_start[i] else total[:, None] + steps
        best_before[i] = candidates.argmax(axis=0)
        total = candidates.max(axis=0) + scores[i]
    path = np.empty(len(scores), dtype=np.int64)
    path[-1] = total.argmax()
    for i in range(len(scores) - 1, 0, -1):
        path[i - 1] = best_before[i, path[i]]
    return path


def path_to_spans(path: np.ndarray, tokens: np.ndarray, tag_set: TagSet) -> list[Span]:
    """Read the entities off the valid path of one text.

    path (ndarray): Indices into the tags, one for each word. Shape: (n_words,).
    tokens (ndarray): Index of each word's token in the text. Shape: (n_words,).
    tag_set (TagSet): The tags.
    RETURNS (List[Tuple[int, int, str]]): Spans in tokens, end exclusive.

    EXAMPLE:
        >>> import numpy
        >>> path_to_spans(numpy.asarray([1, 2, 0]), numpy.arange(3), build_tag_set(["LOC"]))
        [(0, 2, 'LOC')]
    """
    kinds = tag_set.kinds[path]
    spans = []
    for first in np.flatnonzero(kinds == OPEN).tolist():
        last = first
        while last + 1 < len(kinds) and kinds[last + 1] == CONTINUE:
            last += 1
        spans.append((int(tokens[first]), int(tokens[last]) + 1, tag_set.labels[path[first]]))
    return spans
