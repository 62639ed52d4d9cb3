"""The best valid path, against all paths there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tag_problems import TAG_SETS, all_paths, is_valid, problems

from spacy_bert_ner.decode.best_path import build_steps, find_best_path
from spacy_bert_ner.decode.marginals import sum_paths
from spacy_bert_ner.schemes import tags_to_spans
from spacy_bert_ner.tag.tag_rows import merge_neighbours
from spacy_bert_ner.tag.tag_set import build_tag_set, path_to_spans, spans_to_path

IOB2, BILOU, IO, IOB1 = TAG_SETS
# What such a head was trained to score, and where each of our tags takes its score from.
FOREIGN = [
    (IO, ["O", "I-A", "I-B"], [0, 1, 1, 2, 2]),
    (IOB1, ["O", "B-A", "I-A", "B-B", "I-B"], [0, 1, 2, 2, 3, 4, 4]),
]


@given(problems(learned=False))
@settings(max_examples=150, deadline=None)
def test_finds_the_best_of_all_valid_paths(problem):
    tag_set, scores, is_start, _ = problem
    path = find_best_path(scores, is_start, tag_set)
    assert is_valid(path, is_start, tag_set)
    rows = np.arange(len(scores))
    best = max(scores[rows, other].sum() for other in all_paths(is_start, tag_set))
    assert scores[rows, path].sum() == best


@pytest.mark.parametrize("tag_set", TAG_SETS)
def test_long_texts_one_by_one_or_together_give_the_same_paths(tag_set):
    rng = np.random.default_rng(0)
    n_tags = len(tag_set.tags)
    texts = [rng.normal(size=(n, n_tags)).astype("f") for n in (1, 700, 3, 40)]
    starts = [np.arange(len(scores)) == 0 for scores in texts]
    alone = [find_best_path(x, s, tag_set) for x, s in zip(texts, starts, strict=True)]
    together = find_best_path(np.concatenate(texts), np.concatenate(starts), tag_set)
    np.testing.assert_array_equal(np.concatenate(alone), together)
    is_start = np.concatenate(starts)
    assert is_valid(together, is_start, tag_set)


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
        (IO, "B-A I-A O B-B", [(0, 2, "A"), (3, 4, "B")]),
        (IOB1, "S-A I-A B-A S-B", [(0, 2, "A"), (2, 3, "A"), (3, 4, "B")]),
    ],
)
def test_spans_are_read_off_a_path_and_written_again(tag_set, tags, spans):
    path = np.asarray([tag_set.tags.index(tag) for tag in tags.split()])
    assert path_to_spans(path, np.arange(len(path)), tag_set) == spans
    np.testing.assert_array_equal(spans_to_path(spans, len(path), tag_set), path)


@given(problems(learned=False), st.data())
@settings(max_examples=60, deadline=None)
def test_merged_neighbours_give_a_valid_path_and_change_no_other(problem, data):
    tag_set, _, is_start, _ = problem
    # In BILOU and in IOB2 there is a path for all entities.
    other = BILOU if tag_set is BILOU else IOB2
    path = np.asarray(data.draw(st.sampled_from(all_paths(is_start, other))))
    spans = path_to_spans(path, np.arange(len(path)), other)
    gold = spans_to_path(spans, len(path), tag_set)
    merged = merge_neighbours(gold, is_start, tag_set)
    assert is_valid(merged, is_start, tag_set)
    if is_valid(gold, is_start, tag_set):
        np.testing.assert_array_equal(merged, gold)
    else:
        assert tag_set is IO
        assert [tag_set.labels[tag] for tag in merged] == [tag_set.labels[tag] for tag in gold]
    missing = np.full(len(gold), -1)
    np.testing.assert_array_equal(merge_neighbours(missing, is_start, tag_set), missing)


def test_spans_cover_the_white_space_between_their_words():
    path = np.asarray([1, 2])
    assert path_to_spans(path, np.asarray([0, 2]), IOB2) == [(0, 3, "A")]


def test_no_labels_leave_only_outside():
    tag_set = build_tag_set([])
    path = find_best_path(np.ones((3, 1)), np.asarray([True, False, False]), tag_set)
    assert path.tolist() == [0, 0, 0]


def test_unknown_scheme_is_an_error():
    with pytest.raises(ValueError, match="Tag scheme 'BIOES' of the head, expected one of IOB2"):
        build_tag_set(["A"], scheme="BIOES")


@pytest.mark.parametrize(("tag_set", "names", "columns"), FOREIGN)
@given(seed=st.integers(0, 2**32 - 1), n_words=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_heads_without_rules_keep_their_reading_and_probabilities(
    tag_set, names, columns, seed, n_words
):
    scores = np.random.default_rng(seed).normal(size=(n_words, len(names)))
    is_start = np.arange(n_words) == 0
    path = find_best_path(scores[:, columns], is_start, tag_set)
    best = [names[i] for i in scores.argmax(axis=1)]
    assert path_to_spans(path, np.arange(n_words), tag_set) == tags_to_spans(best)
    probs = sum_paths(scores[:, columns], is_start, build_steps(tag_set)).tags
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    summed = np.stack(
        [probs[:, np.asarray(columns) == i].sum(axis=1) for i in range(len(names))], axis=1
    )
    np.testing.assert_allclose(summed, expected, atol=1e-9)
