"""Tag scores of some docs → entities and their probabilities."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..tag.tag_set import TagSet, find_spans, path_to_spans
from ..tag.words import Words
from .best_path import build_steps, find_best_path
from .marginals import score_spans, sum_paths


class ScoredSpan(NamedTuple):
    """An entity of a doc and its probability.

    start (int): Its first token.
    end (int): The token after its last.
    label (str): Its label.
    score (float): Its probability, from 0 to 1; see `score_spans`.
    """

    start: int
    end: int
    label: str
    score: float


class Temperatures(NamedTuple):
    """Divisors that turn tag scores into calibrated probabilities.

    Above 1, probabilities are less certain; below 1, they are more certain. The best
    path stays the same.

    default (float): For all labels without their own.
    labels (Mapping[str, float]): For individual labels.
    """

    default: float
    labels: Mapping[str, float]


class TagModel(NamedTuple):
    """The rules and scores that turn tag scores into paths.

    tag_set (TagSet): The tags and their rules.
    transitions (ndarray | None): Learned scores of the steps from tag to tag, if any.
        Shape: (n_tags + 1, n_tags + 1).
    """

    tag_set: TagSet
    transitions: np.ndarray | None = None

    @property
    def steps(self) -> np.ndarray:
        """The score of each step: -inf if the rules forbid it."""
        return build_steps(self.tag_set, self.transitions)


def measure_entities(
    scores: np.ndarray,
    is_start: np.ndarray,
    path: np.ndarray,
    model: TagModel,
    temperatures: Temperatures,
) -> np.ndarray:
    """Compute the probability of each entity on a path.

    scores (ndarray): Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence. Shape: (n_words,).
    path (ndarray): A valid path. Shape: (n_words,).
    model (TagModel): The tags and steps.
    temperatures (Temperatures): Each entity uses the one of its label.
    RETURNS (ndarray): From 0 to 1, in the order of `find_spans`. Shape: (n_spans,).
    """
    firsts, _ = find_spans(path, model.tag_set)
    by_tag = [
        temperatures.labels.get(label, temperatures.default) for label in model.tag_set.labels
    ]
    found = np.asarray(by_tag)[path[firsts]]
    sentence = np.cumsum(is_start)
    probs = np.zeros(len(firsts))
    for temperature in set(found.tolist()):
        # Sentences do not depend on each other; those without such entities are left out.
        is_read = np.zeros(len(path) + 1, dtype=bool)
        is_read[sentence[firsts[found == temperature]]] = True
        rows = is_read[sentence]
        starts = is_start[rows]
        marginals = sum_paths(scores[rows] / temperature, starts, model.steps / temperature)
        probs_here = score_spans(path[rows], starts, marginals, model.tag_set)
        is_ours = found == temperature
        probs[is_ours] = probs_here[is_ours[rows[firsts]]]
    return probs


def find_entities(
    scores: np.ndarray, words: Words, model: TagModel, temperatures: Temperatures
) -> list[ScoredSpan]:
    """Find the entities on the best path, and their probabilities.

    scores (ndarray): Shape: (n_words, n_tags).
    words (Words): The words, of one doc or several joined.
    model (TagModel): The tags and steps.
    temperatures (Temperatures): Divisors of the scores.
    RETURNS (List[ScoredSpan]): The entities in order, in tokens of the joined docs.
    """
    path = find_best_path(scores, words.is_start, model.steps)
    spans = path_to_spans(path, words.tokens, model.tag_set)
    probs = measure_entities(scores, words.is_start, path, model, temperatures)
    return [ScoredSpan(*span, score=p) for span, p in zip(spans, probs.tolist(), strict=True)]


def split_spans(spans: Sequence[ScoredSpan], lengths: Sequence[int]) -> list[list[ScoredSpan]]:
    """Split the entities of joined docs into those of each doc.

    spans (Sequence[ScoredSpan]): The entities, in tokens of the joined docs.
    lengths (Sequence[int]): Number of tokens of each doc. Shape: (n_docs,).
    RETURNS (List[List[ScoredSpan]]): The entities, in tokens of each doc. Shape: (n_docs,).
    """
    ends = np.cumsum(lengths).tolist()
    split: list[list[ScoredSpan]] = [[] for _ in lengths]
    for start, end, label, score in spans:
        i = bisect_right(ends, start)
        offset = ends[i] - lengths[i]
        split[i].append(ScoredSpan(start - offset, end - offset, label, score))
    return split


def find_tag_probs(
    scores: np.ndarray, words: Words, model: TagModel, temperature: float
) -> np.ndarray:
    """Compute the probability of each tag among all valid paths.

    scores (ndarray): Shape: (n_words, n_tags).
    words (Words): The words, of one doc or several joined.
    model (TagModel): The tags and steps.
    temperature (float): Divisor of the scores.
    RETURNS (ndarray): The probabilities; rows sum to 1. Shape: (n_words, n_tags).
    """
    return sum_paths(scores / temperature, words.is_start, model.steps / temperature).tags
