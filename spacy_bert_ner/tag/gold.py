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

from .annotated import MISSING_TAG
from .tag_rows import merge_neighbours
from .tag_set import Span, TagSet, spans_to_path
from .words import Words, find_words


def find_gold_ents(doc: Doc, spans_key: str | None) -> list[DocSpan]:
    """Get a gold doc's entities, from a span group or from `doc.ents`.

    doc (Doc): The gold doc.
    spans_key (str | None): Name of the span group. If it is `None` or the doc has no
        such group, use `doc.ents`.
    RETURNS (List[Span]): The entities; those of a span group may overlap.
    """
    if spans_key is None or spans_key not in doc.spans:
        return list(doc.ents)
    return list(doc.spans[spans_key])


def find_learnable_ents(doc: Doc, spans_key: str | None) -> list[DocSpan]:
    """Get the gold entities that tags can express: the longer one of any two that overlap.

    doc (Doc): The gold doc.
    spans_key (str | None): As in `find_gold_ents`.
    RETURNS (List[Span]): The entities, without overlaps.
    """
    ents = find_gold_ents(doc, spans_key)
    return ents if spans_key is None else filter_spans(ents)


def read_gold_tags(
    eg: Example, words: Words, tag_set: TagSet, *, spans_key: str | None = None
) -> np.ndarray:
    """Get the gold tags of an example's words as indices.

    A tag is missing if nobody annotated the word, if its entity does not align with the
    words, or if the tag set lacks the entity's label. A warning names each such label.

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
        # The text has no entity in it, so Python shows it once for each label.
        known = ", ".join(sorted(set(tag_set.labels) - {""}))
        warnings.warn(
            f"Gold entities with the label {label!r} are not learned and count as missing: the "
            f"labels are {known}. To add the label before training, call `add_label`, or set "
            '@callbacks = "spacy-bert-ner.add_labels.v1" in [initialize.before_init].',
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
        # Both docs have the same tokens: reading those of the gold doc is much faster.
        return eg.reference.to_array(attrs.ENT_IOB) == 0
    return np.asarray([tag in (None, "-") for tag in eg.get_aligned_ner()], dtype=bool)


class GoldEnt(NamedTuple):
    """A gold entity, in words of the predicted doc.

    start (int): Its first word.
    end (int): The word after its last.
    label (str): Its label.
    text (str): Its text.
    fits (bool): Whether the words have exactly its text and no sentence begins inside
        it. Otherwise, it can be neither learned nor predicted.
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
    # Read once, because each access compares all words of the example.
    alignment = eg.alignment
    for ent in ents:
        tokens = alignment.y2x[ent.start : ent.end]
        if not len(tokens):
            yield GoldEnt(0, 0, ent.label_, ent.text, fits=False)
            continue
        start, end = np.searchsorted(words.tokens, [tokens.min(), tokens.max() + 1])
        shared = alignment.x2y[int(tokens.min()) : int(tokens.max()) + 1]
        # An entity of only whitespace has no words.
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
    """Collect the labels of the gold entities, and warn about lost entities.

    An entity is lost if one of its borders is inside a token of the predicted doc, or
    if a sentence begins inside it. One warning counts these; another counts the spans
    of a group that overlap a longer one.

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
            f"'{spans_key}', which '{name}' learns from. Add it to every doc, even if it is empty "
            f"(`doc.spans['{spans_key}'] = []`), or remove it from all docs to use doc.ents."
        )
    if spans_key is not None and not has_group[True]:
        logger.info(
            "No training doc has doc.spans['%s']: '%s' learns from doc.ents", spans_key, name
        )
    if n_overlaps:
        warnings.warn(
            f"{n_overlaps} of {n_ents + n_overlaps} gold spans of doc.spans['{spans_key}'] overlap "
            f"longer ones. '{name}' does not learn them, because its spans never overlap. Use a "
            "separate span group and `bert_ner` for each layer.",
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
    """Count the gold tags that the component learns from.

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
