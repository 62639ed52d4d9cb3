"""Examples → labels, gold tags, and a count of the gold entities that are lost."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from spacy import attrs
from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan
from spacy.training import Example
from spacy.util import filter_spans, logger

from .tag_rows import merge_neighbours
from .tag_set import Span, TagSet, spans_to_path
from .words import Words, find_words

MISSING_TAG = -1


def find_gold_ents(doc: Doc, spans_key: str | None) -> list[DocSpan]:
    """Give a gold doc's entities: its span group of that name, or its `ents`.

    doc (Doc): The gold doc.
    spans_key (str | None): Name of the span group; without such a group, or with
        `None`, the entities of `doc.ents` count.
    RETURNS (List[Span]): Those of a group may overlap.
    """
    if spans_key is None or spans_key not in doc.spans:
        return list(doc.ents)
    return list(doc.spans[spans_key])


def find_learnable_ents(doc: Doc, spans_key: str | None) -> list[DocSpan]:
    """Give the gold entities that tags can express: of two that overlap, the longer one.

    doc (Doc): The gold doc.
    spans_key (str | None): As in `find_gold_ents`.
    RETURNS (List[Span]): They do not overlap.
    """
    ents = find_gold_ents(doc, spans_key)
    return ents if spans_key is None else filter_spans(ents)


def read_gold_tags(
    eg: Example, words: Words, tag_set: TagSet, *, spans_key: str | None = None
) -> np.ndarray:
    """Number the gold tags of an example's words.

    A word's tag is missing where nobody annotated it, and where its entity does
    not fit or has a label that the tag set lacks; a warning names such a label.

    eg (Example): The example.
    words (Words): The words of its predicted doc.
    tag_set (TagSet): The tags.
    spans_key (str | None): As in `find_gold_ents`.
    RETURNS (ndarray): Indices into the tags, -1 where missing. Shape: (n_words,).
    """
    is_missing = np.zeros(len(words.tokens), dtype=bool)
    if spans_key is None or spans_key not in eg.reference.spans:
        is_missing = find_missing(eg)[words.tokens]
    ents = list(place_gold_ents(eg, words, find_learnable_ents(eg.reference, spans_key)))
    for label in sorted({ent.label for ent in ents} - set(tag_set.labels)):
        # Without the entity in it, Python shows the warning once for each label.
        known = ", ".join(sorted(set(tag_set.labels) - {""}))
        warnings.warn(
            f"Gold entities with the label {label!r} are not learned, and count as missing: the "
            f"labels are {known}. Add it before training with `add_label`, or in the config: "
            'set @callbacks = "spacy-bert-ner.add_labels.v1" in [initialize.before_init].',
            stacklevel=2,
        )
    spans: list[Span] = []
    for ent in ents:
        if ent.fits and ent.label in tag_set.labels:
            spans.append((ent.start, ent.end, ent.label))
        else:
            is_missing[ent.start : ent.end] = True
    path = spans_to_path(spans, len(words.tokens), tag_set)
    path[is_missing] = MISSING_TAG
    return path


def find_missing(eg: Example) -> np.ndarray:
    """Find the tokens of the predicted doc that nobody annotated.

    eg (Example): The example.
    RETURNS (ndarray): Where `eg.get_aligned_ner()` has no tag. Shape: (n_tokens,).
    """
    alignment = eg.alignment
    if (alignment.x2y.lengths == 1).all() and (alignment.y2x.lengths == 1).all():
        # The tokens are the same, so the gold doc can be asked: that is far quicker.
        return eg.reference.to_array(attrs.ENT_IOB) == 0
    return np.asarray([tag in (None, "-") for tag in eg.get_aligned_ner()], dtype=bool)


class GoldEnt(NamedTuple):
    """A gold entity, in words of the predicted doc.

    start (int): Its first word.
    end (int): The word after its last.
    label (str): Its label.
    text (str): Its text.
    fits (bool): Whether those words have exactly its text, and no sentence begins
        among them: otherwise it can neither be learned nor be predicted.
    """

    start: int
    end: int
    label: str
    text: str
    fits: bool


def place_gold_ents(eg: Example, words: Words, ents: Iterable[DocSpan]) -> Iterator[GoldEnt]:
    """Find the words of the predicted doc that share text with each gold entity.

    eg (Example): The example.
    words (Words): The words of its predicted doc.
    ents (Iterable[Span]): The gold entities.
    YIELDS (GoldEnt): One for each.
    """
    # Taken once: each time it is asked for, an example compares all its words.
    alignment = eg.alignment
    for ent in ents:
        tokens = alignment.y2x[ent.start : ent.end]
        if not len(tokens):
            yield GoldEnt(0, 0, ent.label_, ent.text, fits=False)
            continue
        start, end = np.searchsorted(words.tokens, [tokens.min(), tokens.max() + 1])
        shared = alignment.x2y[int(tokens.min()) : int(tokens.max()) + 1]
        # An entity of nothing but white space has no words.
        fits = (
            start < end
            and shared.min() == ent.start
            and shared.max() == ent.end - 1
            and not words.is_start[start + 1 : end].any()
        )
        yield GoldEnt(int(start), int(end), ent.label_, ent.text, bool(fits))


def collect_labels(
    examples: Iterable[Example], name: str, *, spans_key: str | None = None
) -> list[str]:
    """Collect the labels of the gold entities, and warn about those that are lost.

    An entity is lost for training when its borders fall inside the tokens of the
    predicted doc, or a sentence begins inside it; one warning counts them. Another
    counts those of a span group that overlap a longer one.

    examples (Iterable[Example]): All training examples.
    name (str): Name of the component, for messages.
    spans_key (str | None): As in `find_gold_ents`.
    RETURNS (List[str]): The labels, sorted.
    RAISES (ValueError): If some docs have the span group and others do not.
    """
    labels: set[str] = set()
    n_ents = 0
    has_group: Counter[bool] = Counter()
    lost: list[str] = []
    n_overlaps = 0
    for eg in examples:
        ents = find_learnable_ents(eg.reference, spans_key)
        labels.update(ent.label_ for ent in ents)
        n_ents += len(ents)
        n_overlaps += len(find_gold_ents(eg.reference, spans_key)) - len(ents)
        has_group[spans_key in eg.reference.spans] += 1
        placed = place_gold_ents(eg, find_words(eg.predicted), ents)
        lost += [ent.text for ent in placed if not ent.fits]
    if spans_key is not None and len(has_group) == 2:
        raise ValueError(
            f"{has_group[False]} of {has_group.total()} training docs have no span group "
            f"'{spans_key}', which '{name}' learns from. Give every doc one, empty where there "
            f"is nothing (`doc.spans['{spans_key}'] = []`), or none of them to learn from doc.ents."
        )
    if spans_key is not None and not has_group[True]:
        logger.info(
            "No training doc has doc.spans['%s']: '%s' learns from doc.ents", spans_key, name
        )
    if n_overlaps:
        warnings.warn(
            f"{n_overlaps} of {n_ents + n_overlaps} gold spans of doc.spans['{spans_key}'] overlap "
            f"longer ones, and '{name}' does not learn them: its spans never overlap. Give each "
            "layer of them a group and a `bert_ner` of its own.",
            stacklevel=2,
        )
    if lost:
        shown = ", ".join(repr(text) for text in lost[:5])
        warnings.warn(
            f"{len(lost)} of {n_ents} gold entities do not fit the tokens that '{name}' is "
            f"trained on, or cross a sentence's border, and count as missing, for example {shown}. "
            "Train on the corpus's own words (`gold_preproc = true`), or change the tokenizer.",
            stacklevel=2,
        )
    return sorted(labels)


def count_tags(
    examples: Iterable[Example], tag_set: TagSet, spans_key: str | None = None
) -> list[int]:
    """Count the gold tags, as they are learned.

    examples (Iterable[Example]): All training examples.
    tag_set (TagSet): The tags.
    spans_key (str | None): As in `find_gold_ents`.
    RETURNS (List[int]): Shape: (n_tags,).
    """
    counts = np.zeros(len(tag_set.tags), dtype=np.int64)
    for eg in examples:
        words = find_words(eg.predicted)
        gold = read_gold_tags(eg, words, tag_set, spans_key=spans_key)
        gold = merge_neighbours(gold, words.is_start, tag_set)
        counts += np.bincount(gold[gold >= 0], minlength=len(counts))
    return counts.tolist()
