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
    """What tag scores are divided by before they become probabilities.

    Above 1 they are less certain, below 1 more; the best path stays the same.

    default (float): For all labels that have none of their own.
    labels (Mapping[str, float]): For single labels.
    """

    default: float
    labels: Mapping[str, float]


class TagModel(NamedTuple):
    """What turns tag scores into paths.

    tag_set (TagSet): The tags and their rules.
    transitions (ndarray | None): Learned scores of the steps from tag to tag, or
        `None` without. Shape: (n_tags + 1, n_tags + 1).
    """

    tag_set: TagSet
    transitions: np.ndarray | None = None

    @property
    def steps(self) -> np.ndarray:
        """Score of each step, -inf where the rules forbid it."""
        return build_steps(self.tag_set, self.transitions)


def measure_entities(
    scores: np.ndarray,
    is_start: np.ndarray,
    path: np.ndarray,
    model: TagModel,
    temperatures: Temperatures,
) -> np.ndarray:
    """Give the probability of each entity on a path.

    scores (ndarray): Shape: (n_words, n_tags).
    is_start (ndarray): Words that begin a sentence. Shape: (n_words,).
    path (ndarray): A valid path. Shape: (n_words,).
    model (TagModel): The tags and steps.
    temperatures (Temperatures): Each entity's is that of its label.
    RETURNS (ndarray): From 0 to 1, in the order of `find_spans`. Shape: (n_spans,).
    """
    firsts, _ = find_spans(path, model.tag_set)
    found = [
        temperatures.labels.get(model.tag_set.labels[tag], temperatures.default)
        for tag in path[firsts]
    ]
    probs = np.zeros(len(firsts))
    for temperature in set(found):
        marginals = sum_paths(scores / temperature, is_start, model.steps / temperature)
        is_ours = np.asarray(found) == temperature
        probs[is_ours] = score_spans(path, is_start, marginals, model.tag_set)[is_ours]
    return probs


def find_entities(
    scores: np.ndarray, words: Words, model: TagModel, temperatures: Temperatures
) -> list[ScoredSpan]:
    """Find the entities on the best path, and their probabilities.

    scores (ndarray): Shape: (n_words, n_tags).
    words (Words): The words, of one doc or several joined.
    model (TagModel): The tags and steps.
    temperatures (Temperatures): What the scores are divided by.
    RETURNS (List[ScoredSpan]): In tokens of the docs joined, in order.
    """
    path = find_best_path(scores, words.is_start, model.steps)
    spans = path_to_spans(path, words.tokens, model.tag_set)
    probs = measure_entities(scores, words.is_start, path, model, temperatures)
    return [ScoredSpan(*span, score=p) for span, p in zip(spans, probs.tolist(), strict=True)]


def split_spans(spans: Sequence[ScoredSpan], lengths: Sequence[int]) -> list[list[ScoredSpan]]:
    """Give each doc its own entities of those of the docs joined.

    spans (Sequence[ScoredSpan]): In tokens of the docs joined.
    lengths (Sequence[int]): How many tokens each doc has. Shape: (n_docs,).
    RETURNS (List[List[ScoredSpan]]): In tokens of each doc. Shape: (n_docs,).
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
    """Give the probability of each tag among all valid paths.

    scores (ndarray): Shape: (n_words, n_tags).
    words (Words): The words, of one doc or several joined.
    model (TagModel): The tags and steps.
    temperature (float): What the scores are divided by.
    RETURNS (ndarray): Rows sum to 1. Shape: (n_words, n_tags).
    """
    return sum_paths(scores / temperature, words.is_start, model.steps / temperature).tags
