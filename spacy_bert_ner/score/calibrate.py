"""A trained pipeline and gold docs → temperatures that calibrate its probabilities."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..decode.best_path import find_best_path
from ..decode.entities import TagModel, Temperatures, measure_entities
from ..machine import trim_heap
from ..pipe.bert_ner import BertNer
from ..pipe.upstream import pipe_before
from ..tag.annotated import MISSING_TAG, find_unknown_tags
from ..tag.gold import read_gold_tags
from ..tag.tag_set import TagSet, find_spans
from ..tag.words import find_words
from .reliability import MIN_ENTITIES, TEMPERATURES, choose_temperature, compute_ece

Corpus = Callable[[Language], Iterable[Example]]


def make_calibrate_v1(corpus: Corpus, per_label: bool = False) -> Callable[[Language], Language]:
    """Create a callback that calibrates every `bert_ner` when a pipeline is saved.

    Entry point: spacy-bert-ner.calibrate.v1, for `training.before_to_disk`. It runs
    each time `spacy train` saves, so use a corpus with a `limit`: a thousand docs are
    enough to fit a temperature. Components among `frozen_components` keep their
    temperatures. The callback also returns freed memory to the operating system,
    because writing a pipeline needs several times its size.

    corpus (Callable[[Language], Iterable[Example]]): Reads the dev set.
    per_label (bool): Whether labels with enough entities get their own temperature.
    RETURNS (Callable[[Language], Language]): The callback; it returns the calibrated
        pipeline.
    """

    def calibrate_pipeline(nlp: Language) -> Language:
        frozen = nlp.config.interpolate()["training"].get("frozen_components") or []
        for name, pipe in nlp.pipeline:
            if isinstance(pipe, BertNer) and name not in frozen:
                calibrate(nlp, name, corpus(nlp), per_label=per_label)
        trim_heap()
        return nlp

    return calibrate_pipeline


class ScoredBatch(NamedTuple):
    """The tag scores of a batch, its best path, and which entities on it are right.

    scores (ndarray): Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence. Shape: (n_words,).
    path (ndarray): Indices into the tags. Shape: (n_words,).
    is_right (ndarray): 1 or 0 for each entity of the path, -1 where the gold tags
        are missing. Shape: (n_spans,).
    """

    scores: np.ndarray
    is_start: np.ndarray
    path: np.ndarray
    is_right: np.ndarray


def calibrate(
    nlp: Language, name: str, examples: Iterable[Example], *, per_label: bool = False
) -> dict[str, float | None]:
    """Fit the temperature of a `bert_ner` on gold docs that it was not trained on.

    Temperatures are saved with the component, and the calibration error before and
    after is written to `nlp.meta["performance"]`. The predicted entities stay the same,
    unless a `threshold` removes some. With fewer than 30 entities, the temperatures are
    not changed, because new ones would be random.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    examples (Iterable[Example]): Gold docs.
    per_label (bool): Whether labels with enough entities get their own temperature.
    RETURNS (Dict[str, float | None]): The scores written to the performance, `ents_ece`
        and `ents_ece_uncalibrated`; empty without entities.
    """
    pipe: Any = nlp.get_pipe(name)
    # Read once, because each access copies the steps, possibly from a GPU.
    tag_model = pipe.tag_model
    samples = list(score_batches(nlp, name, examples, tag_model))
    is_right = np.concatenate([np.zeros(0, dtype=np.int64), *(s.is_right for s in samples)])
    is_known = is_right >= 0
    is_right = is_right[is_known]

    def score(temperatures: Temperatures) -> np.ndarray:
        probs = [
            measure_entities(s.scores, s.is_start, s.path, tag_model, temperatures) for s in samples
        ]
        return np.concatenate([np.zeros(0), *probs])[is_known]

    # Shape: (n_temperatures, n_spans)
    probs = np.stack([score(Temperatures(t, {})) for t in TEMPERATURES.tolist()])
    labels = [
        tag_model.tag_set.labels[tag]
        for s in samples
        for tag in s.path[find_spans(s.path, tag_model.tag_set)[0]]
    ]
    spans_label = np.asarray(labels, dtype=object)[is_known]
    if len(is_right) >= MIN_ENTITIES:
        is_of = {label: spans_label == label for label in pipe.labels}
        pipe.cfg["temperature"] = choose_temperature(probs, is_right)
        pipe.cfg["label_temperatures"] = {
            label: choose_temperature(probs[:, chosen], is_right[chosen])
            for label, chosen in is_of.items()
            if per_label and chosen.sum() >= MIN_ENTITIES
        }
    if not len(is_right):
        return {}
    prefix = "ents" if pipe.spans_key is None else f"spans_{pipe.spans_key}"
    report = {
        f"{prefix}_ece": compute_ece(score(pipe.temperatures), is_right),
        f"{prefix}_ece_uncalibrated": compute_ece(score(Temperatures(1.0, {})), is_right),
    }
    nlp.meta.setdefault("performance", {}).update(report)
    return report


def score_batches(
    nlp: Language, name: str, examples: Iterable[Example], tag_model: TagModel
) -> Iterator[ScoredBatch]:
    """Score the tags of gold docs, batch by batch, and judge the best path.

    nlp (Language): The pipeline; it runs the components before this one.
    name (str): Name of the component.
    examples (Iterable[Example]): Gold docs.
    tag_model (TagModel): The component's tags and steps.
    YIELDS (ScoredBatch): One for each batch of `nlp.batch_size` docs.
    """
    pipe: Any = nlp.get_pipe(name)
    for batch in minibatch(examples, nlp.batch_size):
        # Copies, because other components write to the docs and the examples are used again.
        docs = pipe_before(nlp, name, [eg.predicted.copy() for eg in batch])
        words, scores = pipe.score_tags(docs)
        path = find_best_path(scores, words.is_start, tag_model.steps)
        gold, unknown = [], []
        for eg, doc in zip(batch, docs, strict=True):
            doc_words, tag_set = find_words(doc), tag_model.tag_set
            gold.append(read_gold_tags(eg, doc_words, tag_set, spans_key=pipe.spans_key))
            unknown.append(find_unknown_tags(eg, doc_words, tag_set))
        is_right = judge_path(path, np.concatenate(gold), np.concatenate(unknown), tag_set)
        yield ScoredBatch(scores, words.is_start, path, is_right)


def judge_path(
    path: np.ndarray, gold: np.ndarray, unknown: np.ndarray, tag_set: TagSet
) -> np.ndarray:
    """Judge which entities on a path are right.

    path (ndarray): Indices into the tags. Shape: (n_words,).
    gold (ndarray): Indices of the gold tags, -1 where missing. Shape: (n_words,).
    unknown (ndarray): The result of `find_unknown_tags`. Shape: (n_words, n_tags).
    tag_set (TagSet): The tags.
    RETURNS (ndarray): 1, 0, or -1 where nobody annotated the word or label. Shape: (n_spans,).
    """
    known = np.where(gold == MISSING_TAG, 0, gold)
    wanted = {
        (first, last, tag_set.labels[known[first]])
        for first, last in np.stack(find_spans(known, tag_set), axis=1).tolist()
    }
    judged = []
    for first, last in np.stack(find_spans(path, tag_set), axis=1).tolist():
        within = slice(first, last + 1)
        if (gold[within] == MISSING_TAG).any() or unknown[within, path[first]].any():
            judged.append(-1)
        else:
            judged.append(int((first, last, tag_set.labels[path[first]]) in wanted))
    return np.asarray(judged, dtype=np.int64)
