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
    return join_words([doc])


def join_words(docs: Sequence[Doc]) -> Words:
    """Find the words of some docs, as if the docs were one.

    docs (Sequence[Doc]): The docs.
    RETURNS (Words): All words; their token indices count across all docs.
    """
    names = [attrs.IS_SPACE, attrs.SENT_START, attrs.ENT_IOB]
    none = np.zeros((0, len(names)), dtype=np.uint64)
    # Shape: (n_tokens, 3)
    array = np.concatenate([none, *(doc.to_array(names) for doc in docs)])
    ends = np.cumsum([len(doc) for doc in docs], dtype=np.int64)
    is_first = np.zeros(len(array) + 1, dtype=bool)
    is_first[[0, *ends.tolist()]] = True
    is_space = array[:, 0] == 1
    is_start = (array[:, 1] == 1) | is_first[:-1]
    for i in np.flatnonzero(is_space).tolist():
        # A border on whitespace moves to the next word. A blank line is a border too.
        if not is_first[i + 1]:
            is_start[i + 1] |= is_start[i] or _count_lines(docs, ends, i) > 1
    tokens = np.flatnonzero(~is_space)
    is_preset = (array[:, 2] == 1) | (array[:, 2] == 3)
    return Words(tokens, is_start[tokens], is_preset[tokens])


def _count_lines(docs: Sequence[Doc], ends: np.ndarray, token: int) -> int:
    i = int(np.searchsorted(ends, token, side="right"))
    return docs[i][token - int(ends[i])].text.count("\n")
