"""The loss of single tags: every setting, and gradients against finite differences."""

import numpy as np
import pytest
import torch

from spacy_bert_ner.tag.annotated import list_possible_tags
from spacy_bert_ner.tag.loss import balance_tags, compute_tag_loss, make_tag_loss_v1, weigh_tags
from spacy_bert_ner.tag.tag_set import build_tag_set

TAG_SET = build_tag_set(["A", "B"])
GOLD = np.asarray([0, 1, 2, -1, 3, 0])
SETTINGS = [
    {},
    {"class_weights": {"O": 0.2, "A": 3.0}},
    {"label_smoothing": 0.1},
    {"focal_gamma": 2.0},
    {"focal_gamma": 0.5, "label_smoothing": 0.2, "class_weights": {"B-A": 0.0}},
]


NOTHING_UNKNOWN = np.zeros((6, 5), dtype=bool)


def compute(scores, gold=GOLD, unknown=NOTHING_UNKNOWN, **settings):
    loss = make_tag_loss_v1(**settings)
    weights = weigh_tags(loss.class_weights, TAG_SET, name="x")
    return compute_tag_loss(scores, list_possible_tags(gold, unknown[: len(gold)]), weights, loss)


def make_scores():
    return np.random.default_rng(0).normal(size=(6, 5)) * 2


@pytest.mark.parametrize("is_partial", [False, True])
@pytest.mark.parametrize("settings", SETTINGS)
def test_gradient_equals_finite_differences(settings, is_partial):
    scores = make_scores()
    # "B" was not annotated.
    unknown = np.tile(np.asarray(TAG_SET.labels) == "B", (6, 1)) & is_partial
    settings = {**settings, "unknown": unknown}
    _, d_scores = compute(scores, **settings)
    for cell in np.ndindex(scores.shape):
        above, below = scores.copy(), scores.copy()
        above[cell] += 1e-5
        below[cell] -= 1e-5
        slope = (compute(above, **settings)[0] - compute(below, **settings)[0]) / 2e-5
        assert slope == pytest.approx(d_scores[cell], abs=1e-8)
    assert not d_scores[3].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [{}, {"O": 0.2, "A": 3.0}])
def test_equals_torch(smoothing, weights):
    scores = make_scores()
    wanted = torch.nn.functional.cross_entropy(
        torch.tensor(scores),
        torch.tensor(GOLD),
        weight=torch.tensor(weigh_tags(weights, TAG_SET, name="x")),
        ignore_index=-1,
    )
    if not smoothing:
        assert compute(scores, class_weights=weights)[0] == pytest.approx(wanted.item())
        return
    # torch weighs the smoothed part by each tag's own weight; without weights they agree.
    wanted = torch.nn.functional.cross_entropy(
        torch.tensor(scores), torch.tensor(GOLD), ignore_index=-1, label_smoothing=smoothing
    )
    assert compute(scores, label_smoothing=smoothing)[0] == pytest.approx(wanted.item())


def test_a_gold_tag_that_is_all_but_impossible_has_a_finite_loss():
    scores = np.asarray([[0.0, -5000.0, 0.0, 0.0, 0.0]])
    loss, d_scores = compute(scores, np.asarray([1]))
    assert loss == pytest.approx(5000 + np.log(4))
    assert d_scores[0, 1] == pytest.approx(-1.0)


def test_every_setting_changes_the_loss():
    losses = [compute(make_scores(), **settings)[0] for settings in SETTINGS]
    assert len(set(losses)) == len(SETTINGS)


def test_a_tag_counts_more_than_its_label_and_others_count_one():
    weights = weigh_tags({"A": 2.0, "I-A": 3.0}, TAG_SET, name="x")
    assert weights.tolist() == [1.0, 2.0, 3.0, 1.0, 1.0]


def test_balanced_tags_count_the_same_in_sum():
    counts = [80, 15, 5, 0]
    weights = balance_tags(counts)
    assert np.multiply(weights, counts)[:3] == pytest.approx([100 / 3] * 3)
    assert weights[3] == 1.0


@pytest.mark.parametrize("settings", SETTINGS)
def test_no_known_words_have_no_loss(settings):
    loss, d_scores = compute(make_scores(), np.full(6, -1), **settings)
    assert loss == 0.0
    assert not d_scores.any()


def test_a_certain_right_word_has_a_finite_gradient():
    scores = np.asarray([[1000.0, 0, 0, 0, 0]])
    loss, d_scores = compute(scores, np.asarray([0]), focal_gamma=0.5)
    assert loss == 0.0
    assert np.isfinite(d_scores).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": "inverse"}, 'class_weights is "inverse", expected "balanced"'),
        ({"class_weights": {"PER": 1.0}}, "class_weights of 'x' has 'PER', expected .*A, B, 'O'"),
    ],
)
def test_bad_settings_say_what_was_expected(settings, message):
    with pytest.raises(ValueError, match=message):
        compute(make_scores(), **settings)
