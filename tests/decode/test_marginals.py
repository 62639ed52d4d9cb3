"""Probabilities of tags, steps and spans, against all paths there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from support.tag_problems import TAG_SETS, all_paths, problems, read_spans, sum_scores

from spacy_bert_ner.decode.best_path import build_steps
from spacy_bert_ner.decode.marginals import score_spans, sum_paths
from spacy_bert_ner.tag.tag_set import find_spans


def weigh_paths(problem):
    tag_set, scores, is_start, transitions = problem
    paths = all_paths(is_start, tag_set)
    weights = np.exp([sum_scores(path, scores, is_start, transitions) for path in paths])
    return paths, weights


@given(problems())
@settings(max_examples=60, deadline=None)
def test_tags_and_steps_are_those_of_all_paths(problem):
    tag_set, scores, is_start, transitions = problem
    paths, weights = weigh_paths(problem)
    marginals = sum_paths(scores, is_start, build_steps(tag_set, transitions))
    assert marginals.log_sum == pytest.approx(np.log(weights.sum()))
    tags, steps = np.zeros_like(marginals.tags), np.zeros_like(marginals.steps)
    for path, weight in zip(paths, weights / weights.sum(), strict=True):
        for i, tag in enumerate(path):
            tags[i, tag] += weight
            steps[-1 if is_start[i] else path[i - 1], tag] += weight
            if i + 1 == len(path) or is_start[i + 1]:
                steps[tag, -1] += weight
    np.testing.assert_allclose(marginals.tags, tags, atol=1e-9)
    np.testing.assert_allclose(marginals.steps, steps, atol=1e-9)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_a_span_has_the_probability_of_the_paths_with_exactly_it(problem):
    tag_set, scores, is_start, transitions = problem
    paths, weights = weigh_paths(problem)
    marginals = sum_paths(scores, is_start, build_steps(tag_set, transitions))
    spans = [set(read_spans(path, tag_set.tags)) for path in paths]
    for path in paths[:: max(1, len(paths) // 20)]:
        found = score_spans(np.asarray(path), is_start, marginals, tag_set)
        wanted = [
            weights[[span in others for others in spans]].sum() / weights.sum()
            for span in read_spans(path, tag_set.tags)
        ]
        np.testing.assert_allclose(found, wanted, atol=1e-9)
        assert len(find_spans(np.asarray(path), tag_set)[0]) == len(wanted)


@pytest.mark.parametrize("tag_set", TAG_SETS)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_long_texts_and_large_scores_stay_finite(tag_set, size):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5000, len(tag_set.tags))) * size
    is_start = np.arange(5000) % 1000 == 0
    marginals = sum_paths(scores, is_start, build_steps(tag_set))
    assert np.isfinite(marginals.log_sum)
    np.testing.assert_allclose(marginals.tags.sum(axis=1), 1.0, atol=1e-6)


def test_a_sentence_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(0)
    texts = [rng.normal(size=(n, 5)) for n in (1, 70, 3, 40)]
    steps = build_steps(TAG_SETS[0], rng.normal(size=(6, 6)))
    starts = [np.arange(len(text)) == 0 for text in texts]
    alone = [sum_paths(x, s, steps).tags for x, s in zip(texts, starts, strict=True)]
    together = sum_paths(np.concatenate(texts), np.concatenate(starts), steps)
    np.testing.assert_allclose(together.tags, np.concatenate(alone), atol=1e-12)
