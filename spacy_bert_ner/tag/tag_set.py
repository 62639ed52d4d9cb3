"""The labels of a head and its scheme → its tags, their rules, and spans as tag paths."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..schemes import Span

# What a tag does to the entity that it belongs to.
OUTSIDE, OPEN, CONTINUE = 0, 1, 2

PREFIXES = {"IOB2": "BI", "BILOU": "BILU", "IO": "BI", "IOB1": "BIS"}
HEAD_SCHEMES = tuple(PREFIXES)
"""The tag schemes of a head: the first two for training, the others for imported heads."""


class TagSet(NamedTuple):
    """The tags of a head in a fixed order, and which may follow which.

    tags (Tuple[str, ...]): "O" first, then those of each label.
    labels (Tuple[str, ...]): Label of each tag, "" for "O". Shape: (n_tags,).
    kinds (ndarray): OUTSIDE, OPEN or CONTINUE for each tag. Shape: (n_tags,).
    follows (ndarray): Whether tag b may follow tag a. The last row and column
        are the border of a sentence. Shape: (n_tags + 1, n_tags + 1).
    """

    tags: tuple[str, ...]
    labels: tuple[str, ...]
    kinds: np.ndarray
    follows: np.ndarray


def build_tag_set(labels: Sequence[str], *, scheme: str = "IOB2") -> TagSet:
    """Build the tags for some labels, and the rules for their order.

    labels (Sequence[str]): The labels, without repeats.
    scheme (str): "IOB2" (two tags for each label) or "BILOU" (four: the last word of an
        entity and an entity of one word have their own tags). For heads that were
        trained elsewhere: "IO" (an entity cannot begin directly after one with the same
        label) and "IOB1" (B- may begin an entity anywhere; S- is an I- that begins an
        entity, which it can't do after the same label).
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
    if scheme not in HEAD_SCHEMES:
        raise ValueError(
            f"Tag scheme '{scheme}' of the head, expected one of {', '.join(HEAD_SCHEMES)}. "
            "Files may use any scheme; this setting only defines the tags of the head."
        )
    prefixes = PREFIXES[scheme]
    pairs = [("O", ""), *((prefix, label) for label in labels for prefix in prefixes)]
    letters = np.asarray([prefix for prefix, _ in pairs])
    opens = np.isin(letters, ("B", "U", "S"))
    kinds = np.select([letters == "O", opens], [OUTSIDE, OPEN], CONTINUE)
    tag_labels = np.asarray([label for _, label in pairs])
    # Tags after which an entity may continue, and after which it must. Shape: (n_tags + 1,)
    may_go_on = np.append(np.isin(letters, ("B", "I", "S")), False)
    has_to = may_go_on & (scheme == "BILOU")
    goes_on = np.append(kinds == CONTINUE, False)
    same_label = np.zeros((len(pairs) + 1, len(pairs) + 1), dtype=bool)
    same_label[:-1, :-1] = tag_labels[:, None] == tag_labels[None, :]
    # Tags that can't begin an entity after one with the same label. Shape: (n_tags + 1,)
    parted = {"IO": "B", "IOB1": "S"}.get(scheme, "")
    is_parted = np.append(letters == parted, False)
    may_begin = ~has_to[:, None] & ~(same_label & is_parted[None, :])
    follows = np.where(goes_on[None, :], same_label & may_go_on[:, None], may_begin)
    tags = tuple(f"{prefix}-{label}" if label else prefix for prefix, label in pairs)
    return TagSet(tags, tuple(tag_labels.tolist()), kinds, follows)


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
    """Read the entities from the valid path of one text.

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

    With IO, neighbours with the same label make the path invalid; see
    `merge_neighbours`.

    spans (Sequence[Tuple[int, int, str]]): Spans in words, end exclusive; they do
        not overlap, and their labels are in the tag set.
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
