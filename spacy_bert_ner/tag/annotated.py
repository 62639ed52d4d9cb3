"""Examples whose labels were not all annotated → the tags that each word may have."""

import numpy as np
from spacy.tokens import Span
from spacy.training import Example

from ..convert.annotated import ANNOTATED_KEY
from .tag_set import TagSet
from .words import Words

MISSING_TAG = -1
"""In place of a gold tag: nothing was annotated."""


def is_annotated(eg: Example, ent: Span) -> bool:
    """Whether an entity's label was annotated in all of its text.

    eg (Example): An example with a predicted and a gold doc.
    ent (Span): An entity of the predicted doc.
    RETURNS (bool): Whether the gold doc can tell if the entity is right.
    """
    if ANNOTATED_KEY not in eg.reference.spans:
        return True
    covered = np.zeros(len(eg.reference), dtype=bool)
    for span in eg.reference.spans[ANNOTATED_KEY]:
        if span.label == ent.label:
            covered[span.start : span.end] = True
    return bool(covered[eg.alignment.x2y[ent.start : ent.end]].all())


def find_unknown_tags(eg: Example, words: Words, tag_set: TagSet) -> np.ndarray:
    """Find the tags of each word that nobody annotated.

    eg (Example): The example.
    words (Words): The words of its predicted doc.
    tag_set (TagSet): The tags.
    RETURNS (ndarray): True for the tags of labels that were not annotated at a word;
        never for "O". Shape: (n_words, n_tags).
    """
    unknown = np.zeros((len(words.tokens), len(tag_set.tags)), dtype=bool)
    if ANNOTATED_KEY not in eg.reference.spans:
        return unknown
    labels = np.asarray(tag_set.labels)
    unknown[:, labels != ""] = True
    # Read once, because each access compares all words of the example.
    alignment = eg.alignment
    for span in eg.reference.spans[ANNOTATED_KEY]:
        tokens = alignment.y2x[span.start : span.end]
        if len(tokens):
            first, end = np.searchsorted(words.tokens, [tokens.min(), tokens.max() + 1])
            unknown[first:end, labels == span.label_] = False
    return unknown


def list_possible_tags(gold: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """List the tags that each word may have.

    gold (ndarray): Indices of the gold tags, -1 where missing. Shape: (n_words,).
    unknown (ndarray): The result of `find_unknown_tags`. Shape: (n_words, n_tags).
    RETURNS (ndarray): Only the gold tag; where that is "O", also the unknown tags; all
        tags where it is missing. Shape: (n_words, n_tags).
    """
    tags = gold[:, None]
    # Column 0 is "O".
    return (tags == np.arange(unknown.shape[1])) | (tags == MISSING_TAG) | (unknown & (tags == 0))
