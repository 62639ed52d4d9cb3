"""The best valid path, against all paths there are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spacy_bert_ner.decode import build_tag_set, find_best_path, path_to_spans

TAG_SET = build_tag_set(["A", "B"])


def is_valid(path, is_start, tags):
    for i, tag in enumerate(path):
        if not tags[tag].startswith("I-"):
            continue
        before = "O" if is_start[i] else tags[path[i - 1]]
        if before not in (f"B-{tags[tag][2:]}", tags[tag]):
            return False
    return True


@st.composite
def problems(draw):
    n_words = draw(st.integers(1, 5))
    # Few distinct values, so that ties and near misses are common.
    values = st.integers(-3, 3).map(float)
    scores = draw(npst.arrays(np.float32, (n_words, len(TAG_SET.tags)), elements=values))
    is_start = np.asarray(draw(st.lists(st.booleans(), min_size=n_words, max_size=n_words)))
    is_start[0] = True
    return scores, is_start


@given(problems())
@settings(max_examples=150, deadline=None)
def test_finds_the_best_of_all_valid_paths(problem):
    scores, is_start = problem
    path = find_best_path(scores, is_start, TAG_SET)
    assert is_valid(path, is_start, TAG_SET.tags)
    rows = np.arange(len(scores))
    best = max(
        scores[rows, list(other)].sum()
        for other in product(range(len(TAG_SET.tags)), repeat=len(scores))
        if is_valid(other, is_start, TAG_SET.tags)
    )
    assert scores[rows, path].sum() == best


def test_long_texts_one_by_one_or_together_give_the_same_paths():
    rng = np.random.default_rng(0)
    texts = [rng.normal(size=(n, 5)).astype("f") for n in (1, 700, 3, 40)]
    starts = [np.arange(len(scores)) == 0 for scores in texts]
    alone = [find_best_path(x, s, TAG_SET) for x, s in zip(texts, starts, strict=True)]
    together = find_best_path(np.concatenate(texts), np.concatenate(starts), TAG_SET)
    np.testing.assert_array_equal(np.concatenate(alone), together)


def test_scores_are_not_changed():
    scores = np.asarray([[0, 0, 1, 0, 0]], dtype="f")
    before = scores.copy()
    find_best_path(scores, np.asarray([True]), TAG_SET)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        ("B-A I-A B-B I-B I-B O", [(0, 2, "A"), (2, 5, "B")]),
    ],
)
def test_spans_are_read_off_a_path(tags, spans):
    path = np.asarray([TAG_SET.tags.index(tag) for tag in tags.split()])
    assert path_to_spans(path, np.arange(len(path)), TAG_SET) == spans


def test_spans_cover_the_white_space_between_their_words():
    path = np.asarray([1, 2])
    assert path_to_spans(path, np.asarray([0, 2]), TAG_SET) == [(0, 3, "A")]


def test_no_labels_leave_only_outside():
    tag_set = build_tag_set([])
    path = find_best_path(np.ones((3, 1)), np.asarray([True, False, False]), tag_set)
    assert path.tolist() == [0, 0, 0]
