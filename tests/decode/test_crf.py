"""The CRF's likelihood and its gradients, against all paths there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tag_problems import all_paths, assert_gradients, problems, sum_scores

from spacy_bert_ner.decode.best_path import build_steps
from spacy_bert_ner.decode.crf import compute_path_loss
from spacy_bert_ner.tag.annotated import list_possible_tags


@given(problems(), st.data())
@settings(max_examples=60, deadline=None)
def test_loss_is_the_likelihood_of_all_paths_that_fit_the_annotation(problem, data):
    tag_set, scores, is_start, transitions = problem
    paths = np.asarray(all_paths(is_start, tag_set))
    gold = paths[data.draw(st.integers(0, len(paths) - 1))].copy()
    gold[data.draw(st.lists(st.integers(0, len(gold) - 1), max_size=len(gold)))] = -1
    # Labels that nobody annotated: any of their tags in place of "O".
    hidden = data.draw(st.lists(st.sampled_from(tag_set.labels[1:])))
    unknown = np.isin(tag_set.labels, hidden) & (gold == 0)[:, None]
    possible = list_possible_tags(gold, unknown)
    weights = np.exp([sum_scores(path, scores, is_start, transitions) for path in paths])
    fits = [all(possible[i, tag] for i, tag in enumerate(path)) for path in paths]
    n_known = (~possible.all(axis=1)).sum()
    steps = build_steps(tag_set, transitions)
    loss, d_scores, d_steps = compute_path_loss(scores, possible, is_start, steps)
    wanted = -np.log(weights[fits].sum() / weights.sum()) / n_known if n_known else 0.0
    assert loss == pytest.approx(wanted, abs=1e-9)
    if not n_known:
        assert not d_scores.any()
        assert not d_steps.any()


@given(problems(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_gradients_equal_finite_differences(problem, pick):
    tag_set, scores, is_start, transitions = problem
    scores = scores.astype("float64")
    paths = all_paths(is_start, tag_set)
    gold = np.asarray(paths[pick % len(paths)])
    unknown = np.isin(tag_set.labels, tag_set.labels[1 + pick % (len(gold) + 1) :]) & (pick % 2 > 0)
    possible = list_possible_tags(gold, np.tile(unknown, (len(gold), 1)))

    def compute(scores, transitions):
        return compute_path_loss(scores, possible, is_start, build_steps(tag_set, transitions))

    _, d_scores, d_steps = compute(scores, transitions)
    gradients = (d_scores, d_steps)
    assert_gradients(lambda *xs: compute(*xs)[0], (scores, transitions), gradients, pick)
