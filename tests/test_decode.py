"""The best valid path, against all paths there are."""

import numpy as np
import pytest
from chains import TAG_SETS, all_paths, is_valid, problems
from hypothesis import given, settings

from spacy_bert_ner.decode import build_tag_set, find_best_path, path_to_spans, spans_to_path

IOB2, BILOU = TAG_SETS


@given(problems(learned=False))
@settings(max_examples=150, deadline=None)
def test_finds_the_best_of_all_valid_paths(problem):
    tag_set, scores, is_start, _ = problem
    path = find_best_path(scores, is_start, tag_set)
    assert is_valid(path, is_start, tag_set.tags)
    rows = np.arange(len(scores))
    best = max(scores[rows, other].sum() for other in all_paths(is_start, tag_set.tags))
    assert scores[rows, path].sum() == best


@pytest.mark.parametrize("tag_set", TAG_SETS)
def test_long_texts_one_by_one_or_together_give_the_same_paths(tag_set):
    rng = np.random.default_rng(0)
    texts = [rng.normal(size=(n, 5)).astype("f") for n in (1, 700, 3, 40)]
    starts = [np.arange(len(scores)) == 0 for scores in texts]
    alone = [find_best_path(x, s, tag_set) for x, s in zip(texts, starts, strict=True)]
    together = find_best_path(np.concatenate(texts), np.concatenate(starts), tag_set)
    np.testing.assert_array_equal(np.concatenate(alone), together)
    is_start = np.concatenate(starts)
    assert is_valid(together, is_start, tag_set.tags)


def test_scores_are_not_changed():
    scores = np.asarray([[0, 0, 1, 0, 0]], dtype="f")
    before = scores.copy()
    find_best_path(scores, np.asarray([True]), IOB2)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize(
    ("tag_set", "tags", "spans"),
    [
        (IOB2, "O O", []),
        (IOB2, "B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        (IOB2, "B-A I-A B-B I-B I-B O", [(0, 2, "A"), (2, 5, "B")]),
        (BILOU, "O O", []),
        (BILOU, "U-A U-A B-A L-A", [(0, 1, "A"), (1, 2, "A"), (2, 4, "A")]),
        (BILOU, "B-A I-A L-A O", [(0, 3, "A")]),
    ],
)
def test_spans_are_read_off_a_path_and_written_again(tag_set, tags, spans):
    path = np.asarray([tag_set.tags.index(tag) for tag in tags.split()])
    assert path_to_spans(path, np.arange(len(path)), tag_set) == spans
    np.testing.assert_array_equal(spans_to_path(spans, len(path), tag_set), path)


def test_spans_cover_the_white_space_between_their_words():
    path = np.asarray([1, 2])
    assert path_to_spans(path, np.asarray([0, 2]), IOB2) == [(0, 3, "A")]


def test_no_labels_leave_only_outside():
    tag_set = build_tag_set([])
    path = find_best_path(np.ones((3, 1)), np.asarray([True, False, False]), tag_set)
    assert path.tolist() == [0, 0, 0]


def test_unknown_scheme_is_an_error():
    with pytest.raises(ValueError, match="Tag scheme 'IO' of the head, expected one of IOB2"):
        build_tag_set(["A"], scheme="IO")
