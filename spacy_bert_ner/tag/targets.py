"""What teachers believe of a doc's tags ↔ the user data of the gold doc."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from .tag_set import TagSet
from .words import Words

TARGETS_KEY = "tag_targets"


class Targets(NamedTuple):
    """Probabilities of the tags of a doc, and expected counts of the steps between them.

    tags (ndarray): Shape: (n_words, n_tags).
    steps (ndarray): The last row and column are steps from and to a sentence border.
        Shape: (n_tags + 1, n_tags + 1).
    """

    tags: np.ndarray
    steps: np.ndarray


def write_targets(doc: Doc, targets: Targets, tag_set: TagSet) -> Doc:
    """Store targets with a gold doc; every format that keeps user data keeps them.

    doc (Doc): The gold doc.
    targets (Targets): Those of its words.
    tag_set (TagSet): The tags.
    RETURNS (Doc): The doc.
    """
    doc.user_data[TARGETS_KEY] = [
        list(tag_set.tags),
        targets.tags.astype(np.float16),
        targets.steps.astype(np.float32),
    ]
    return doc


def read_targets(eg: Example, words: Words, tag_set: TagSet) -> Targets | None:
    """Read the targets of a gold doc.

    eg (Example): The example.
    words (Words): The words of its predicted doc.
    tag_set (TagSet): The tags of the component that learns.
    RETURNS (Targets | None): The targets; `None` if the doc has none.
    RAISES (ValueError): If the targets are of other tags or other words.
    """
    stored = eg.reference.user_data.get(TARGETS_KEY)
    if stored is None:
        return None
    names, tags, steps = stored
    if sorted(names) != sorted(tag_set.tags):
        raise ValueError(
            f"A doc was taught the tags {', '.join(names)}, expected those of the component: "
            f"{', '.join(tag_set.tags)}. Set `scheme` of [components.ner] to that of the "
            "teachers, and learn the same labels."
        )
    if len(tags) != len(words.tokens):
        raise ValueError(
            f"A doc was taught {len(tags)} words, but is read as {len(words.tokens)}: "
            f"{eg.reference.text[:60]!r}. Set `gold_preproc = true` in the block of the corpus, "
            "so that the words are those that were taught."
        )
    order = [names.index(tag) for tag in tag_set.tags]
    border = len(order)
    return Targets(
        np.asarray(tags, dtype=np.float64)[:, order],
        np.asarray(steps, dtype=np.float64)[np.ix_([*order, border], [*order, border])],
    )


def join_targets(targets: Sequence[Targets]) -> Targets:
    """Join the targets of several docs.

    targets (Sequence[Targets]): One or more.
    RETURNS (Targets): Those of the joined docs.
    """
    return Targets(
        np.concatenate([target.tags for target in targets]),
        np.sum([target.steps for target in targets], axis=0),
    )
