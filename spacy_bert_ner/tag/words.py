"""Docs → the words that get a tag, and the borders that no entity can cross."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy import attrs
from spacy.tokens import Doc


class Words(NamedTuple):
    """The words of a doc: its tokens that are not whitespace.

    tokens (ndarray): Their indices in the doc. Shape: (n_words,).
    is_start (ndarray): Whether the word begins a doc or a sentence or follows a blank
        line, so that no entity can continue into it. Shape: (n_words,).
    is_preset (ndarray): Whether the word is already part of an entity. Shape: (n_words,).
    """

    tokens: np.ndarray
    is_start: np.ndarray
    is_preset: np.ndarray


def find_words(doc: Doc) -> Words:
    """Find the words of a doc and the borders between them.

    doc (Doc): The doc.
    RETURNS (Words): Its tokens that are not whitespace.
    """
    # Shape: (n_tokens, 3)
    array = doc.to_array([attrs.IS_SPACE, attrs.SENT_START, attrs.ENT_IOB])
    is_space = array[:, 0] == 1
    is_start = array[:, 1] == 1
    is_start[:1] = True
    for i in np.flatnonzero(is_space).tolist():
        # A border on whitespace moves to the next word. A blank line is a border too.
        if i + 1 < len(doc):
            is_start[i + 1] |= is_start[i] or doc[i].text.count("\n") > 1
    tokens = np.flatnonzero(~is_space)
    is_preset = (array[:, 2] == 1) | (array[:, 2] == 3)
    return Words(tokens, is_start[tokens], is_preset[tokens])


def join_words(docs: Sequence[Doc], words: Sequence[Words]) -> Words:
    """Join the words of some docs, as if the docs were one.

    docs (Sequence[Doc]): The docs.
    words (Sequence[Words]): The words of each.
    RETURNS (Words): All words; their token indices count across all docs.
    """
    offsets = np.cumsum([0, *(len(doc) for doc in docs)])[: len(docs)].tolist()
    tokens = [w.tokens + offset for w, offset in zip(words, offsets, strict=True)]
    none = np.zeros(0, dtype=bool)
    return Words(
        tokens=np.concatenate([none.astype(np.int64), *tokens]),
        is_start=np.concatenate([none, *(w.is_start for w in words)]),
        is_preset=np.concatenate([none, *(w.is_preset for w in words)]),
    )
