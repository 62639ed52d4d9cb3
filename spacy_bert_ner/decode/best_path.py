"""Tag scores → the best valid tag path → spans."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Span = tuple[int, int, str]

# What a tag does to the entity that it belongs to.
OUTSIDE, OPEN, CONTINUE = 0, 1, 2


PREFIXES = {"IOB2": "BI", "BILOU": "BILU", "IO": "BI", "IOB1": "BIS"}
SCHEMES = tuple(PREFIXES)
"""The tag schemes of a head: the first two to train with, all to read heads of others."""


class TagSet(NamedTuple):
    """The tags of a head in a fixed order, and which may stand where.

    tags (Tuple[str, ...]): "O" first, then those of each label.
    labels (Tuple[str, ...]): Label of each tag, "" for "O". Shape: (n_tags,).
    kinds (ndarray): OUTSIDE, OPEN or CONTINUE for each tag. Shape: (n_tags,).
    follows (ndarray): Whether tag b may follow tag a. The last row and column
        stand for the border of a sentence. Shape: (n_tags + 1, n_tags + 1).
    """

    tags: tuple[str, ...]
    labels: tuple[str, ...]
    kinds: np.ndarray
    follows: np.ndarray


def build_tag_set(labels: Sequence[str], *, scheme: str = "IOB2") -> TagSet:
    """Give the tags for some labels and the rules between them.

    labels (Sequence[str]): The labels, without repeats.
    scheme (str): "IOB2" (two tags for each label) or "BILOU" (four: the last word
        of an entity, and an entity of one word, have their own). For heads that were
        trained elsewhere: "IO" (no entity begins right behind one of its own label)
        and "IOB1" (B- may begin an entity anywhere; S- is the I- that begins one,
        which it cannot behind its own label).
    RETURNS (TagSet): "O" and the tags of each label, in the given order.
    RAISES (ValueError): If the scheme is unknown.

    EXAMPLE:
        >>> build_tag_set(["LOC", "PER"]).tags
        ('O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER')
        >>> build_tag_set(["LOC"], scheme="BILOU").tags
        ('O', 'B-LOC', 'I-LOC', 'L-LOC', 'U-LOC')
        >>> build_tag_set(["LOC"], scheme="IOB1").tags
        ('O', 'B-LOC', 'I-LOC', 'S-LOC')
    """
    if scheme not in SCHEMES:
        raise ValueError(
            f"Tag scheme '{scheme}' of the head, expected one of {', '.join(SCHEMES)}. Any scheme "
            "can be read from files; this is only how the head counts its tags."
        )
    prefixes = PREFIXES[scheme]
    pairs = [("O", ""), *((prefix, label) for label in labels for prefix in prefixes)]
    letters = np.asarray([prefix for prefix, _ in pairs])
    opens = np.isin(letters, ("B", "U", "S"))
    kinds = np.select([letters == "O", opens], [OUTSIDE, OPEN], CONTINUE)
    tag_labels = np.asarray([label for _, label in pairs])
    # Where an entity may go on after a tag, and where it has to. Shape: (n_tags + 1,)
    may_go_on = np.append(np.isin(letters, ("B", "I", "S")), False)
    has_to = may_go_on & (scheme == "BILOU")
    goes_on = np.append(kinds == CONTINUE, False)
    same_label = np.zeros((len(pairs) + 1, len(pairs) + 1), dtype=bool)
    same_label[:-1, :-1] = tag_labels[:, None] == tag_labels[None, :]
    # What no entity begins with right behind one of its own label. Shape: (n_tags + 1,)
    parted = {"IO": "B", "IOB1": "S"}.get(scheme, "")
    is_parted = np.append(letters == parted, False)
    may_begin = ~has_to[:, None] & ~(same_label & is_parted[None, :])
    follows = np.where(goes_on[None, :], same_label & may_go_on[:, None], may_begin)
    tags = tuple(f"{prefix}-{label}" if label else prefix for prefix, label in pairs)
    return TagSet(tags, tuple(tag_labels.tolist()), kinds, follows)


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


def find_spans(path: np.ndarray, tag_set: TagSet) -> tuple[np.ndarray, np.ndarray]:
    """Find the first and the last word of each entity on a valid path.

    path (ndarray): Indices into the tags, one for each word. Shape: (n_words,).
    tag_set (TagSet): The tags.
    RETURNS (Tuple[ndarray, ndarray]): Words, both inclusive. Shapes: (n_spans,).
    """
    kinds = tag_set.kinds[path]
    firsts = np.flatnonzero(kinds == OPEN)
    breaks = np.append(np.flatnonzero(kinds != CONTINUE), len(path))
    return firsts, breaks[np.searchsorted(breaks, firsts, side="right")] - 1


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
    firsts, lasts = find_spans(path, tag_set)
    starts, ends = tokens[firsts].tolist(), (tokens[lasts] + 1).tolist()
    labels = [tag_set.labels[tag] for tag in path[firsts]]
    return list(zip(starts, ends, labels, strict=True))


def spans_to_path(spans: Sequence[Span], n_words: int, tag_set: TagSet) -> np.ndarray:
    """Write the entities of one text as a path: the inverse of `path_to_spans`.

    The path is valid but for neighbours of one label in IO; see `merge_neighbours`.

    spans (Sequence[Tuple[int, int, str]]): Spans in words, end exclusive; they do
        not overlap, and their labels are the tag set's.
    n_words (int): Number of words.
    tag_set (TagSet): The tags.
    RETURNS (ndarray): Indices into the tags. Shape: (n_words,).
    """
    number = {tag: i for i, tag in enumerate(tag_set.tags)}
    path = np.zeros(n_words, dtype=np.int64)
    for start, end, label in spans:
        inner = number[f"I-{label}"]
        path[start] = number[f"B-{label}"]
        if f"S-{label}" in number and (start == 0 or tag_set.labels[path[start - 1]] != label):
            path[start] = number[f"S-{label}"]
        path[start + 1 : end] = inner
        # Only BILOU marks last words: alone, or after others.
        path[end - 1] = number.get(
            f"U-{label}" if end - start == 1 else f"L-{label}", path[end - 1]
        )
    return path
