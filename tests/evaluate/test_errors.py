"""Kinds of errors, slices, calibration, and how sure the scores are."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluations import make_example, make_line, make_lines, tag_pairs

from spacy_bert_ner.decode.annotate import register_extensions
from spacy_bert_ner.evaluate.certainty import score_certainty
from spacy_bert_ner.evaluate.counts import count_spans, sum_counts
from spacy_bert_ner.evaluate.errors import find_errors, summarize_errors
from spacy_bert_ner.evaluate.intervals import compare_counts, count_docs, find_intervals
from spacy_bert_ner.evaluate.lines import example_to_line
from spacy_bert_ner.evaluate.slices import name_range, score_lengths, score_seen
from spacy_bert_ner.score.scorer import score_entities


def test_errors_are_paired_with_what_they_should_have_been():
    gold = [(0, 2, "A"), (3, 6, "B"), (7, 8, "A"), (9, 10, "B")]
    found = [(0, 2, "B"), (3, 4, "B"), (4, 7, "B"), (8, 9, "A"), (9, 10, "B")]
    errors = [(e.kind, e.gold, e.found) for e in find_errors(gold, found)]
    assert errors == [
        ("label", (0, 2, "A"), (0, 2, "B")),
        ("invented", None, (3, 4, "B")),
        ("border", (3, 6, "B"), (4, 7, "B")),
        ("missed", (7, 8, "A"), None),
        ("invented", None, (8, 9, "A")),
    ]
    (both,) = find_errors([(0, 2, "A")], [(1, 2, "B")])
    assert both.kind == "label and border"


@settings(deadline=None)
@given(tag_pairs())
def test_every_entity_is_right_or_one_error(pairs):
    lines = make_lines(pairs)
    found = summarize_errors(lines)
    micro = sum_counts(count_spans((x.gold, x.found) for x in lines).values())
    kinds = found["kinds"]
    paired = kinds["label"] + kinds["border"] + kinds["label and border"]
    assert micro.gold == micro.right + paired + kinds["missed"]
    assert micro.found == micro.right + paired + kinds["invented"]
    assert sum(n for _, _, n in found["confusion"]) == micro.right + sum(kinds.values())
    assert sum(sum(row.values()) for row in found["labels"].values()) == sum(kinds.values())


@settings(deadline=None)
@given(tag_pairs())
def test_slices_add_up_to_all_entities(pairs):
    lines = make_lines(pairs)
    micro = sum_counts(count_spans((x.gold, x.found) for x in lines).values())
    by_length = score_lengths(lines)
    seen = {"x": frozenset("A"), "xx": frozenset("B")}
    for slices in (*by_length.values(), score_seen(lines, seen)):
        rows = [(row["right"], row["found"], row["gold"]) for row in slices.values()]
        assert tuple(map(sum, zip(*rows, strict=True))) == (tuple(micro) if rows else ())


def test_slices_by_hand():
    line = make_line([(0, 1, "A"), (2, 5, "B")], [(0, 1, "A"), (2, 4, "B")])
    by_length = score_lengths([line])
    assert by_length["entity_length"]["1"]["f"] == 1.0
    assert by_length["entity_length"]["2"]["found"] == 1
    assert by_length["entity_length"]["3"]["gold"] == 1
    assert list(by_length["sentence_length"]) == ["10–19"]
    seen = score_seen([line], {"x": frozenset("A"), "xx": frozenset("A")})
    assert {name: row["gold"] for name, row in seen.items()} == {
        "seen": 1, "seen with another label": 0, "new": 1,
    }  # fmt: skip
    assert name_range(100, (1, 2)) == "2+"


def test_calibration_and_thresholds_by_hand():
    gold = [(0, 1, "A"), (2, 3, "A")]
    found = [(0, 1, "A"), (4, 5, "A"), (6, 7, "A")]
    scored = score_certainty([make_line(gold, found, scores=[0.95, 0.92, 0.31])])
    assert [(b["n"], b["right"]) for b in scored["bins"]] == [(1, 0.0), (2, 0.5)]
    assert scored["ece"] == pytest.approx((0.31 + (0.95 + 0.92 - 1)) / 3)
    kept = {row["threshold"]: (row["found"], row["p"], row["r"]) for row in scored["thresholds"]}
    assert kept[0.0] == (3, 1 / 3, 0.5)
    assert kept[0.9] == (2, 0.5, 0.5)
    assert kept[0.95] == (1, 1.0, 0.5)
    assert kept[0.99] == (0, 0.0, 0.0)
    assert score_certainty([make_line(gold, found)]) is None


def test_calibration_error_is_that_of_spacy_evaluate():
    eg = make_example(["a", "b", "c"], [(0, 1, "A")], [(0, 1, "A"), (2, 3, "A")])
    register_extensions()
    eg.predicted._.ent_scores = [[0, 1, "A", 0.9, ""], [4, 5, "A", 0.6, ""]]
    line = example_to_line(eg)
    assert line.scores == [0.9, 0.6]
    assert score_certainty([line])["ece"] == pytest.approx(score_entities([eg])["ents_ece"])


def draw_docs(n_docs, accuracy, *, seed):
    rng = random.Random(seed)
    lines = []
    for i in range(n_docs):
        gold = [(0, 1, "A"), (3, 4, "B")]
        found = [span if rng.random() < accuracy else (*span[:2], "C") for span in gold]
        lines.append(make_line(gold, found, doc=i))
    return lines


def test_intervals_are_those_of_the_normal_approximation():
    lines = draw_docs(400, 0.7, seed=1)
    labels = ["A", "B", "C"]
    counts = count_docs(lines, labels)
    assert counts.shape == (400, 3, 3)
    micro = sum_counts(count_spans((x.gold, x.found) for x in lines).values())
    assert counts.sum(axis=(0, 1)).tolist() == list(micro)
    found = find_intervals(counts, labels, seed=0)
    share = micro.right / micro.gold
    # Both entities of a document are drawn alike: 800 single draws.
    half = 1.96 * math.sqrt(share * (1 - share) / 800)
    assert found["r"] == pytest.approx([share - half, share + half], abs=0.008)
    assert found["r"] == found["f"]
    assert found["labels"]["C"] == [0.0, 0.0]
    assert found == find_intervals(counts, labels, seed=0)
    assert found != find_intervals(counts, labels, seed=1)
    assert find_intervals(counts[:1], labels, seed=0) == {}
    assert find_intervals(np.zeros((0, 0, 3)), [], seed=0) == {}


def test_a_rare_label_that_is_always_right_has_a_sharp_interval():
    labels = ["A", "B", "C"]
    spans = {0: [(0, 1, "A"), (2, 3, "B")], 1: [(0, 1, "A")], 2: [(4, 5, "C")]}
    lines = [make_line(gold, gold, doc=doc) for doc, gold in spans.items()]
    lines += [make_line([], [], doc=doc) for doc in range(3, 40)]
    found = find_intervals(count_docs(lines, labels), labels, seed=0)
    assert found["labels"]["A"] == [1.0, 1.0]
    assert found["labels"]["B"] is None  # a single document says nothing about others
    assert found["p"] == found["r"] == found["f"] == [1.0, 1.0]


def test_a_rare_difference_that_is_always_the_same_has_a_sharp_interval():
    right, none = np.array([1.0, 1, 1]), np.array([0.0, 0, 1])
    empty = [np.zeros(3)] * 38
    ours, others = np.stack([right, right, *empty]), np.stack([none, none, *empty])
    found = compare_counts(ours, others, seed=0)
    assert (found["f_difference"], found["interval"]) == (1.0, [1.0, 1.0])
    nothing = compare_counts(np.stack(empty), np.stack(empty), seed=0)
    assert (nothing["f_difference"], nothing["interval"]) == (0.0, [0.0, 0.0])


@settings(deadline=None, max_examples=50)
@given(tag_pairs(), st.integers(1, 30))
def test_perfect_and_hopeless_scores_have_intervals_of_one_point(pairs, n_empty):
    lines = make_lines(pairs)
    labels = sorted({span[2] for x in lines for span in (*x.gold, *x.found)})
    empty = [make_line([], [], doc=len(lines) + i) for i in range(n_empty)]
    found = find_intervals(count_docs([*lines, *empty], labels), labels, seed=0)
    for key, (low, high) in ((key, found[key]) for key in "prf" if found):
        counts = sum_counts(count_spans((x.gold, x.found) for x in lines).values())
        score = counts.to_scores()[key]
        assert 0 <= low <= high <= 1
        assert score != 1.0 or (low, high) == (1.0, 1.0)
        assert score != 0.0 or (low, high) == (0.0, 0.0)


def test_sentences_of_a_document_are_drawn_together():
    lines = draw_docs(400, 0.7, seed=1)
    joined = [line._replace(doc=line.doc // 40) for line in lines]
    counts, whole = count_docs(joined, ["A", "B", "C"]), count_docs(lines, ["A", "B", "C"])
    assert len(counts) == 10
    assert (counts.sum(axis=0) == whole.sum(axis=0)).all()


def test_a_real_difference_is_told_from_none():
    def sum_labels(lines):
        return count_docs(lines, ["A", "B", "C"]).sum(axis=1)

    good, bad = sum_labels(draw_docs(300, 0.9, seed=1)), sum_labels(draw_docs(300, 0.7, seed=2))
    found = compare_counts(good, bad, seed=0)
    assert found["f_difference"] > 0.1
    assert found["p_value"] < 0.001
    assert found["interval"][0] > 0
    back = compare_counts(bad, good, seed=0)
    assert back["f_difference"] == -found["f_difference"]
    # Of models that are alike, one pair in twenty seems to differ.
    alike = [sum_labels(draw_docs(100, 0.8, seed=i)) for i in range(40)]
    values = [compare_counts(*alike[i : i + 2], seed=0)["p_value"] for i in range(0, 40, 2)]
    assert sum(value < 0.05 for value in values) <= 3
    assert 0.3 < np.mean(values) < 0.7
    same = compare_counts(good, good, seed=0)
    assert (same["f_difference"], same["p_value"], same["interval"]) == (0.0, 1.0, [0.0, 0.0])
