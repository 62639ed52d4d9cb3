"""The best valid paths, against all paths there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tag_problems import TAG_SETS, all_paths, is_valid, problems, sum_scores

from spacy_bert_ner.decode import repair
from spacy_bert_ner.decode.best_path import (
    build_steps,
    find_best_path,
    find_best_paths,
)
from spacy_bert_ner.decode.entities import TagModel, Temperatures, find_entities
from spacy_bert_ner.decode.marginals import sum_paths
from spacy_bert_ner.decode.viterbi import add_borders, search_path
from spacy_bert_ner.schemes import tags_to_spans
from spacy_bert_ner.tag.tag_rows import merge_neighbours
from spacy_bert_ner.tag.tag_set import build_tag_set, path_to_spans, spans_to_path
from spacy_bert_ner.tag.words import Words

IOB2, BILOU, IO, IOB1 = TAG_SETS
# What such a head was trained to score, and where each of our tags takes its score from.
FOREIGN = [
    (IO, ["O", "I-A", "I-B"], [0, 1, 1, 2, 2]),
    (IOB1, ["O", "B-A", "I-A", "B-B", "I-B"], [0, 1, 2, 2, 3, 4, 4]),
]


@given(problems() | problems(learned=False))
@settings(max_examples=200, deadline=None)
def test_finds_the_best_of_all_valid_paths(problem):
    tag_set, scores, is_start, transitions = problem
    path = find_best_path(scores, is_start, build_steps(tag_set, transitions))
    assert is_valid(path, is_start, tag_set)
    paths = all_paths(is_start, tag_set)
    best = max(sum_scores(other, scores, is_start, transitions) for other in paths)
    assert sum_scores(path, scores, is_start, transitions) == pytest.approx(best)


@given(problems(), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_finds_the_best_k_of_all_paths(problem, k):
    tag_set, scores, is_start, transitions = problem
    paths, sums = find_best_paths(scores, is_start, build_steps(tag_set, transitions), k)
    assert len({tuple(path) for path in paths}) == len(paths)
    assert all(is_valid(path, is_start, tag_set) for path in paths)
    wanted = sorted(
        (sum_scores(p, scores, is_start, transitions) for p in all_paths(is_start, tag_set)),
        reverse=True,
    )[:k]
    np.testing.assert_allclose(sums, wanted)
    found = [sum_scores(path, scores, is_start, transitions) for path in paths]
    np.testing.assert_allclose(found, wanted)


@pytest.mark.parametrize("tag_set", TAG_SETS)
def test_long_texts_one_by_one_or_together_give_the_same_paths(tag_set):
    rng = np.random.default_rng(0)
    steps, n_tags = build_steps(tag_set), len(tag_set.tags)
    # In some of them, the best tags of single words follow the rules.
    texts = [rng.normal(size=(n, n_tags)).astype("f") for n in (1, 700, 3, 40)]
    texts.append(np.eye(n_tags)[[0] * 30])
    starts = [np.arange(len(scores)) == 0 for scores in texts]
    alone = [find_best_path(x, s, steps) for x, s in zip(texts, starts, strict=True)]
    together = find_best_path(np.concatenate(texts), np.concatenate(starts), steps)
    np.testing.assert_array_equal(np.concatenate(alone), together)
    is_start = np.concatenate(starts)
    assert is_valid(together, is_start, tag_set)
    within = add_borders(np.concatenate(texts), is_start, steps)
    np.testing.assert_array_equal(search_path(within, is_start, steps), together)


@given(problems(learned=False), st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None)
def test_small_windows_find_the_best_path_too(problem, reach):
    tag_set, scores, is_start, zeros = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repair, "REACH", reach)
        path = find_best_path(scores, is_start, build_steps(tag_set))
    best = max(sum_scores(other, scores, is_start, zeros) for other in all_paths(is_start, tag_set))
    assert sum_scores(path, scores, is_start, zeros) == pytest.approx(best)


@pytest.mark.parametrize("reach", [1, 8])
@pytest.mark.parametrize("tag_set", TAG_SETS)
def test_windows_give_what_a_search_of_all_words_gives(monkeypatch, tag_set, reach):
    monkeypatch.setattr(repair, "REACH", reach)
    rng, steps, n_tags = np.random.default_rng(0), build_steps(tag_set), len(tag_set.tags)
    n_broken = 0
    for margin in (0.0, 0.5, 1.0, 2.0, 4.0):
        scores = rng.normal(size=(600, n_tags))
        scores[:, 0] += margin
        is_start = np.isin(np.arange(600), [0, 7, 300])
        within = add_borders(scores, is_start, steps)
        n_broken += len(repair.find_breaks(within.argmax(axis=1), is_start, steps))
        found = find_best_path(scores, is_start, steps)
        np.testing.assert_array_equal(found, search_path(within, is_start, steps))
    assert n_broken > 50


def test_only_words_near_a_broken_rule_are_searched(monkeypatch):
    searched = []

    def search(scores, is_start, steps):
        searched.append(is_start.astype(int).tolist())
        return search_path(scores, is_start, steps)

    monkeypatch.setattr(repair, "search_path", search)
    is_start = np.asarray([1, 0, 0, 1, 0, 1, 0], dtype=bool)
    # An I- that follows an "O" breaks a rule.
    for tags in ([1, 2, 0, 0, 1, 0, 0], [1, 2, 0, 0, 2, 0, 0], [1, 2, 0, 0, 2, 0, 4]):
        find_best_path(np.eye(5)[tags], is_start, build_steps(IOB2))
    assert searched == [[1, 0], [1, 0, 1, 0]]
    searched.clear()
    tags = np.zeros(20_000, dtype=int)
    tags[[100, 10_000, 19_999]] = 2
    find_best_path(np.eye(5)[tags], np.arange(20_000) == 0, build_steps(IOB2))
    assert [len(words) for words in searched] == [16 + 16 + 9]


def test_scores_are_not_changed():
    scores = np.asarray([[0, 0, 1, 0, 0]], dtype="f")
    before = scores.copy()
    find_best_path(scores, np.asarray([True]), build_steps(IOB2))
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("tag_set", TAG_SETS)
@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_row_53_scores_that_are_no_numbers_are_an_error(tag_set, damage):
    n_tags = len(tag_set.tags)
    is_start = np.arange(6) == 0
    words = Words(np.arange(6), is_start, np.zeros(6, dtype=bool))
    for rows, columns, message in ((2, slice(None), "of 1 of 6"), (slice(None), 1, "of 6 of 6")):
        scores = np.zeros((6, n_tags), dtype="f")
        scores[rows, columns] = damage
        for transitions in (None, np.zeros((n_tags + 1, n_tags + 1))):
            with pytest.raises(ValueError, match=rf"{message} words.*float16"):
                find_entities(scores, words, TagModel(tag_set, transitions), Temperatures(1.0, {}))
    transitions = np.full((n_tags + 1, n_tags + 1), np.nan)
    with pytest.raises(ValueError, match="of 0 of 6 words, or the scores of steps"):
        find_best_path(np.zeros((6, n_tags)), is_start, build_steps(tag_set, transitions))


def test_no_words_have_no_path():
    for steps in (np.zeros((4, 4)), np.ones((4, 4))):
        assert len(find_best_path(np.zeros((0, 3)), np.zeros(0, dtype=bool), steps)) == 0


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
    is_start = np.asarray([True, False, False])
    path = find_best_path(np.ones((3, 1)), is_start, build_steps(tag_set))
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
    path = find_best_path(scores[:, columns], is_start, build_steps(tag_set))
    best = [names[i] for i in scores.argmax(axis=1)]
    assert path_to_spans(path, np.arange(n_words), tag_set) == tags_to_spans(best)
    probs = sum_paths(scores[:, columns], is_start, build_steps(tag_set)).tags
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    summed = np.stack(
        [probs[:, np.asarray(columns) == i].sum(axis=1) for i in range(len(names))], axis=1
    )
    np.testing.assert_allclose(summed, expected, atol=1e-9)
