"""Tag scores and gold entities → how probable the gold reading is, place by place."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..decode.best_path import find_best_path
from ..decode.entities import TagModel
from ..decode.marginals import Marginals, sum_paths
from ..evaluate.predict import make_blank_copy
from ..pipe.upstream import pipe_before, require_same_tokens
from ..schemes import Span
from ..tag.tag_set import CONTINUE, OPEN, OUTSIDE, TagSet, path_to_spans
from ..tag.words import Words


class Place(NamedTuple):
    """Neighbouring tokens, and two readings of them: the gold one and the model's.

    start (int): First token.
    end (int): The token after the last.
    gold (Tuple[Tuple[int, int, str], ...]): The gold entities there.
    found (Tuple[Tuple[int, int, str], ...]): Those of the model's best reading.
    gold_prob (float): Share of all readings of the sentence that have exactly the gold
        entities there.
    found_prob (float): The same for the model's.
    """

    start: int
    end: int
    gold: tuple[Span, ...]
    found: tuple[Span, ...]
    gold_prob: float
    found_prob: float


class Judgement(NamedTuple):
    """What a model says of the gold entities of one sentence.

    places (List[Place]): Every place with an entity in one of the readings.
    n_unjudged (int): Gold entities that the model cannot judge, because it does not have
        their label or a blank line divides them.
    """

    places: list[Place]
    n_unjudged: int


def judge_sentences(nlp: Language, name: str, docs: Iterable[Doc]) -> Iterator[Judgement]:
    """Compare the gold entities of sentences with what a pipeline makes of their words.

    nlp (Language): The pipeline. It should not have learned from these sentences.
    name (str): Name of its `bert_ner`.
    docs (Iterable[Doc]): The sentences, with gold entities; they are not changed.
    YIELDS (Judgement): One for each sentence.
    """
    for doc, _, words, scores, model in score_docs(nlp, name, docs):
        yield judge_words(doc, words, scores, model)


class Scored(NamedTuple):
    """A doc and the calibrated scores of its words.

    doc (Doc): The doc as it was given.
    seen (Doc): A copy of its words, after the components before the `bert_ner`.
    words (Words): Its words.
    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    model (TagModel): The tags and the calibrated steps.
    """

    doc: Doc
    seen: Doc
    words: Words
    scores: np.ndarray
    model: TagModel


def score_docs(nlp: Language, name: str, docs: Iterable[Doc]) -> Iterator[Scored]:
    """Score the tags of docs in batches, without their entities.

    nlp (Language): The pipeline.
    name (str): Name of its `bert_ner`.
    docs (Iterable[Doc]): The docs; they are not changed.
    YIELDS (Scored): One for each doc.
    RAISES (ValueError): If a component before the `bert_ner` merges or splits tokens.
    """
    ner: Any = nlp.get_pipe(name)
    temperature = ner.temperatures.default
    tag_set, transitions = ner.tag_model
    model = TagModel(tag_set, None if transitions is None else transitions / temperature)
    for batch in minibatch(docs, nlp.batch_size):
        seen = pipe_before(nlp, name, [make_blank_copy(doc) for doc in batch])
        require_same_tokens(batch, seen)
        words, scores = ner.score_tags(seen)
        start = 0
        for doc, copy in zip(batch, seen, strict=True):
            first, last = np.searchsorted(words.tokens, [start, start + len(doc)])
            ours = Words(
                words.tokens[first:last] - start,
                words.is_start[first:last],
                words.is_preset[first:last],
            )
            yield Scored(doc, copy, ours, scores[first:last] / temperature, model)
            start += len(doc)


def judge_words(doc: Doc, words: Words, scores: np.ndarray, model: TagModel) -> Judgement:
    """Compare the gold entities of one sentence with the tag scores of its words.

    doc (Doc): The sentence, with its gold entities.
    words (Words): Its words.
    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    model (TagModel): The tags and steps.
    RETURNS (Judgement): Places in the tokens of the doc.
    """
    gold = place_entities(doc, words)
    known = [span for span in gold if span[2] in model.tag_set.labels and fits(span, words)]
    n_unjudged = len(doc.ents) - len(known)
    if not len(words.tokens):
        return Judgement([], n_unjudged)
    steps = model.steps
    path = find_best_path(scores, words.is_start, steps)
    found = path_to_spans(path, np.arange(len(path)), model.tag_set)
    is_missing = np.asarray([doc[i].ent_iob == 0 for i in words.tokens.tolist()])
    unknown = [span for span in gold if span not in known]
    found = [
        span
        for span in found
        if not is_missing[span[0] : span[1]].any() and not any(meet(span, x) for x in unknown)
    ]
    if not known and not found:
        return Judgement([], n_unjudged)
    marginals = sum_paths(scores, words.is_start, steps)
    places = []
    for start, end in join_overlaps([*known, *found]):
        readings = [
            tuple(span for span in spans if start <= span[0] < end) for spans in (known, found)
        ]
        probs = [
            measure_reading(spans, (start, end), words.is_start, marginals, model.tag_set)
            for spans in readings
        ]
        first, last = int(words.tokens[start]), int(words.tokens[end - 1]) + 1
        gold_spans, found_spans = (to_tokens(spans, words) for spans in readings)
        places.append(Place(first, last, gold_spans, found_spans, *probs))
    return Judgement(places, n_unjudged)


def measure_reading(
    spans: Sequence[Span],
    place: tuple[int, int],
    is_start: np.ndarray,
    marginals: Marginals,
    tag_set: TagSet,
) -> float:
    """Compute the probability that some words hold exactly some entities.

    It is the weighted share of all valid paths whose entities at these words are the
    given ones: no other one begins, continues or ends there.

    spans (Sequence[Tuple[int, int, str]]): The entities, in words; none for all "O".
    place (Tuple[int, int]): First word, and the word after the last.
    is_start (ndarray): As in `sum_paths`. Shape: (n_words,).
    marginals (Marginals): The result of `sum_paths`.
    tag_set (TagSet): The tags.
    RETURNS (float): From 0 to 1.
    """
    start, end = place
    closes = tag_set.kinds != CONTINUE
    allowed = np.tile(tag_set.kinds == OUTSIDE, (end - start, 1))
    labels = np.asarray(tag_set.labels)
    for first, last, label in spans:
        rows = np.arange(first, last)[:, None] == first
        kinds = np.where(rows, tag_set.kinds == OPEN, ~closes)
        allowed[first - start : last - start] = kinds & (labels == label)
    weights = marginals.before[start] * allowed[0]
    for i in range(start + 1, end):
        weights = pass_on(weights, i, is_start, marginals) * allowed[i - start]
    if end == len(is_start):
        return clip(weights @ marginals.after[end - 1])
    weights = pass_on(weights, end, is_start, marginals) * closes
    return clip(weights @ marginals.after[end])


def pass_on(weights: np.ndarray, i: int, is_start: np.ndarray, marginals: Marginals) -> np.ndarray:
    """Carry the weights of the tags of the word before to those of word i.

    At the start of a sentence, the weight is passed on whole.

    RETURNS (ndarray): Shape: (n_tags,).
    """
    if is_start[i]:
        return float(weights @ marginals.after[i - 1]) * marginals.before[i]
    return (weights @ marginals.moves) * marginals.enter[i]


def clip(share: float) -> float:
    """Keep a probability between 0 and 1, whatever was rounded."""
    return float(min(max(share, 0.0), 1.0))


def join_overlaps(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """Join spans that overlap to places, in order.

    EXAMPLE:
        >>> join_overlaps([(0, 2, "A"), (4, 5, "A"), (1, 3, "B")])
        [(0, 3), (4, 5)]
    """
    places: list[tuple[int, int]] = []
    for start, end, _ in sorted(spans):
        if places and start < places[-1][1]:
            places[-1] = (places[-1][0], max(end, places[-1][1]))
        else:
            places.append((start, end))
    return places


def place_entities(doc: Doc, words: Words) -> list[Span]:
    """Give the gold entities of a doc in words; those of only whitespace are left out."""
    borders = [np.searchsorted(words.tokens, [ent.start, ent.end]).tolist() for ent in doc.ents]
    spans = [(*pair, ent.label_) for pair, ent in zip(borders, doc.ents, strict=True)]
    return [span for span in spans if span[0] < span[1]]


def fits(span: Span, words: Words) -> bool:
    """Whether no border between sentences divides a span of words."""
    return not words.is_start[span[0] + 1 : span[1]].any()


def meet(span: Span, other: Span) -> bool:
    """Whether two spans share a word."""
    return span[0] < other[1] and other[0] < span[1]


def to_tokens(spans: Sequence[Span], words: Words) -> tuple[Span, ...]:
    """Give spans of words in tokens."""
    return tuple(
        (int(words.tokens[start]), int(words.tokens[end - 1]) + 1, label)
        for start, end, label in spans
    )
