"""The most probable readings of a text, against all paths there are."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tag_problems import MAX_PATHS, TAG_SETS, all_paths, problems, read_spans, sum_scores

from spacy_bert_ner.decode.entities import TagModel
from spacy_bert_ner.decode.readings import find_readings
from spacy_bert_ner.tag.tag_set import build_tag_set
from spacy_bert_ner.tag.words import Words

IOB1 = TAG_SETS[3]


def find(problem, k):
    tag_set, scores, is_start, transitions = problem
    words = Words(np.arange(len(scores)), is_start, np.zeros(len(scores), dtype=bool))
    return find_readings(scores, words, TagModel(tag_set, transitions), 1.0, k)


def weigh_readings(problem):
    """Add up the share of all paths for each set of entities, one by one."""
    tag_set, scores, is_start, transitions = problem
    weights = defaultdict(float)
    for path in all_paths(is_start, tag_set):
        spans = read_spans(path, tag_set.tags)
        reading = tuple((first, last + 1, label) for first, last, label in spans)
        weights[reading] += np.exp(sum_scores(path, scores, is_start, transitions))
    total = sum(weights.values())
    return {reading: weight / total for reading, weight in weights.items()}


@given(problems() | problems(learned=False), st.one_of(st.integers(1, 8), st.just(MAX_PATHS)))
@settings(max_examples=120, deadline=None)
def test_finds_the_best_k_of_all_readings_with_all_of_their_paths(problem, k):
    if problem[0] is IOB1 and problem[3][IOB1.follows].any():
        with pytest.raises(ValueError, match="scheme IOB1 and learned steps"):
            find(problem, k)
        return
    wanted = weigh_readings(problem)
    found = find(problem, k)
    assert len({tuple(spans) for spans, _ in found}) == len(found) == min(k, len(wanted))
    probs = [prob for _, prob in found]
    assert probs == sorted(probs, reverse=True)
    np.testing.assert_allclose(probs, sorted(wanted.values(), reverse=True)[:k])
    np.testing.assert_allclose(probs, [wanted[tuple(spans)] for spans, _ in found])


def test_the_best_reading_need_not_have_the_best_path():
    # "O" is the best path; of an entity "A" there are two, each a little worse.
    scores = np.full((1, 7), -np.inf)
    scores[0, [0, 1, 3]] = np.log([0.4, 0.3, 0.3])
    problem = (IOB1, scores, np.asarray([True]), None)
    assert find(problem, 1) == [([(0, 1, "A")], pytest.approx(0.6))]


@pytest.mark.parametrize("size", [0.0, 1.0, 30.0])
def test_long_texts_are_searched_in_a_moment(size):
    tag_set = build_tag_set(["A", "B"], scheme="IOB1")
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 7)) * size
    problem = (tag_set, scores, np.arange(300) == 0, None)
    readings = find(problem, 3)
    assert len({tuple(spans) for spans, _ in readings}) == 3
    assert readings[0][1] >= readings[1][1] >= readings[2][1] > 0
