"""Tag scores → the best valid tag path → spans."""

import numpy as np

from ..tag.tag_set import TagSet


def build_steps(tag_set: TagSet, transitions: np.ndarray | None = None) -> np.ndarray:
    """Give the score of each step from tag to tag: -inf where the rules forbid it.

    tag_set (TagSet): The tags and their rules.
    transitions (ndarray | None): Learned scores of the steps; `None` for 0.
        Shape: (n_tags + 1, n_tags + 1).
    RETURNS (ndarray): Last row and column: from and to the border of a sentence.
        Shape: (n_tags + 1, n_tags + 1).
    """
    return np.where(tag_set.follows, 0.0 if transitions is None else transitions, -np.inf)


def find_ends(is_start: np.ndarray) -> np.ndarray:
    """Say which words are the last of their sentence. Shape: (n_words,)."""
    return np.append(is_start[1:], True)[: len(is_start)]


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
    follows = tag_set.follows[:-1, :-1]
    is_barred = is_start[:, None] & ~tag_set.follows[-1, :-1]
    is_barred |= find_ends(is_start)[:, None] & ~tag_set.follows[:-1, -1]
    scores = np.where(is_barred, -np.inf, scores)
    path = scores.argmax(axis=1)
    # A border stands before each word that begins a stretch searched on its own.
    is_border = np.ones(len(path) + 1, dtype=bool)
    while True:
        is_broken = ~follows[path[:-1], path[1:]] & ~is_start[1:]
        broken = np.flatnonzero(is_broken) + 1
        if not len(broken):
            return path
        is_border[broken] = False
        borders = np.flatnonzero(is_border)
        ends = np.searchsorted(borders, broken, side="right")
        for end in np.unique(ends):
            stretch = slice(borders[end - 1], borders[end])
            path[stretch] = search_stretch(scores[stretch], is_start[stretch], follows)


def search_stretch(scores: np.ndarray, is_start: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Find the best valid path through one stretch of words (Viterbi).

    scores (ndarray): Scores, already -inf where a border forbids. Shape: (n, n_tags).
    is_start (ndarray): As in `find_best_path`. Shape: (n,).
    follows (ndarray): Whether tag b may follow tag a. Shape: (n_tags, n_tags).
    RETURNS (ndarray): Indices into the tags. Shape: (n,).
    """
    # Cost of going from tag a to tag b inside an entity's reach. Shape: (n_tags, n_tags)
    steps = np.where(follows, 0.0, -np.inf)
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
