"""The numbers of an evaluation, against oracles that share no code with them."""

import math
import random
from collections import Counter

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example, iob_to_biluo

from spacy_bert_ner.evaluation.certainty import score_certainty
from spacy_bert_ner.evaluation.counts import Counts, count_spans, sum_counts, summarize
from spacy_bert_ner.evaluation.errors import find_errors, summarize_errors
from spacy_bert_ner.evaluation.intervals import compare_counts, count_docs, find_intervals
from spacy_bert_ner.evaluation.lines import Line, example_to_line
from spacy_bert_ner.evaluation.partial import score_partial
from spacy_bert_ner.evaluation.rules import RULES, read_strictly, score_by_rules
from spacy_bert_ner.evaluation.slices import name_range, score_lengths, score_seen
from spacy_bert_ner.evaluation.tokens import list_tag_pairs, score_pieces, score_tags
from spacy_bert_ner.labels import spans_to_tags, tags_to_spans
from spacy_bert_ner.score import score_entities

TAGS = ["O", "B-A", "I-A", "B-B", "I-B"]
VOCAB = spacy.blank("en").vocab


@st.composite
def tag_pairs(draw):
    """Draw gold and found tags of some lines, ill formed ones among them."""
    pairs = []
    for _ in range(draw(st.integers(0, 4))):
        n = draw(st.integers(1, 8))
        tags = st.lists(st.sampled_from(TAGS), min_size=n, max_size=n)
        pairs.append((draw(tags), draw(tags)))
    return pairs


def make_line(gold, found, n=10, doc=0, scores=None):
    text = "x" * n
    units = [(i, i + 1) for i in range(n)]
    scores = scores or [None] * len(found)
    return Line(doc, text, units, gold, found, scores, frozenset(), n, 0)


def make_lines(pairs):
    return [
        make_line(tags_to_spans(gold), tags_to_spans(found), n=len(gold), doc=i)
        for i, (gold, found) in enumerate(pairs)
    ]


def conlleval(pairs):
    """Count right, found and gold chunks as conlleval.pl does, tag by tag."""
    right = found = gold = 0
    for gold_tags, found_tags in pairs:
        in_right, last = False, [("O", ""), ("O", "")]
        for tags in zip([*gold_tags, "O"], [*found_tags, "O"], strict=True):
            now = [(tag[0], tag[2:]) for tag in tags]
            ends, starts = [], []
            for (was, was_label), (is_, label) in zip(last, now, strict=True):
                starts.append(is_ == "B" or (is_ == "I" and (was == "O" or was_label != label)))
                ends.append(was in "BI" and (is_ in "BO" or was_label != label))
            if in_right and all(ends):
                right, in_right = right + 1, False
            elif any(ends) or now[0][1] != now[1][1]:
                in_right = False
            if all(starts) and now[0][1] == now[1][1]:
                in_right = True
            gold, found, last = gold + starts[0], found + starts[1], now
    return Counts(right, found, gold)


@given(tag_pairs())
def test_all_tools_but_the_strict_one_read_tags_as_conlleval(pairs):
    scored = score_by_rules(pairs)["rules"]
    expected = conlleval(pairs).to_scores()
    assert scored["spacy"] == scored["conlleval"] == scored["seqeval"] == expected


@given(st.lists(st.sampled_from(TAGS), max_size=9))
def test_strict_reading_takes_what_begins_with_b(tags):
    # An oracle: cut the line before each tag that does not continue a B.
    expected = set()
    for i, tag in enumerate(tags):
        if tag[0] == "B":
            end = i + 1
            while end < len(tags) and tags[end] == f"I-{tag[2:]}":
                end += 1
            expected.add((i, end, tag[2:]))
    assert set(read_strictly(tags)) == expected
    clean = spans_to_tags(tags_to_spans(tags), len(tags))
    assert {tuple(read(clean)) for read in RULES.values()} == {tuple(tags_to_spans(tags))}


def test_ill_formed_tags_part_the_tools():
    scored = score_by_rules([(["B-A", "O", "B-B"], ["I-A", "O", "B-B"])])
    assert scored["ill_formed"] == 1
    assert scored["rules"]["seqeval"]["f"] == 1.0
    assert scored["rules"]["seqeval strict"]["f"] == pytest.approx(2 / 3)
    assert iob_to_biluo(["I-A"]) == ["U-A"]


def make_example(words, gold, found, *, default="outside"):
    docs = []
    for spans in (found, gold):
        doc = Doc(VOCAB, words=words)
        doc.set_ents([Span(doc, *span[:2], label=span[2]) for span in spans], default=default)
        docs.append(doc)
    return Example(*docs)


@given(tag_pairs())
def test_counts_are_a_set_intersection_and_what_spacy_says(pairs):
    pairs = [(tags_to_spans(gold), tags_to_spans(found)) for gold, found in pairs]
    by_label = count_spans(pairs)
    gold = {(i, *span) for i, (spans, _) in enumerate(pairs) for span in spans}
    found = {(i, *span) for i, (_, spans) in enumerate(pairs) for span in spans}
    assert sum_counts(by_label.values()) == (len(gold & found), len(found), len(gold))
    examples = [make_example(list("abcdefgh"), *pair) for pair in pairs]
    assert_equals_spacy(by_label, get_ner_prf(examples))
    lines = [example_to_line(eg) for eg in examples]
    assert count_spans((line.gold, line.found) for line in lines) == by_label


def assert_equals_spacy(by_label, spacy_scores):
    summary = summarize(by_label)
    for key in "prf":
        assert summary["micro"][key] == pytest.approx(spacy_scores[f"ents_{key}"])
    assert summary["labels"].keys() == (spacy_scores["ents_per_type"] or {}).keys()
    for label, scores in summary["labels"].items():
        for key in "prf":
            assert scores[key] == pytest.approx(spacy_scores["ents_per_type"][label][key])


def test_averages_by_hand():
    summary = summarize({"A": Counts(1, 1, 1), "B": Counts(0, 2, 3)})
    assert summary["micro"] == {
        "p": 1 / 3,
        "r": 1 / 4,
        "f": 2 / 7,
        "right": 1,
        "found": 3,
        "gold": 4,
    }
    assert summary["macro"] == {"p": 0.5, "r": 0.5, "f": 0.5}
    assert summary["weighted"] == {"p": 0.25, "r": 0.25, "f": 0.25}
    nothing = summarize({})
    assert nothing["micro"]["f"] is None and nothing["macro"]["f"] is None
    assert summarize({"A": Counts(0, 1, 0)})["weighted"]["f"] is None


def test_an_entity_between_the_tokens_of_the_gold_doc_is_wrong_not_left_out():
    predicted = Doc(VOCAB, words=["New", "York-based", "firm"])
    predicted.ents = [Span(predicted, 0, 2, label="LOC")]
    gold = Doc(VOCAB, words=["New", "York", "-", "based", "firm"], spaces=[1, 0, 0, 1, 0])
    gold.set_ents([Span(gold, 0, 2, label="LOC")])
    line = example_to_line(Example(predicted, gold))
    assert [line.text[a:b] for a, b in line.units] == ["New", "York", "-", "based", "firm"]
    assert (line.gold, line.found) == ([(0, 2, "LOC")], [(0, 4, "LOC")])
    assert line.get_text(line.found[0]) == "New York-based"
    assert count_spans([(line.gold, line.found)]) == {"LOC": (0, 1, 1)}
    # spaCy leaves out entities that have no gold token at all to stand on.
    blank = Doc(VOCAB, words=["a", "\n"], spaces=[0, 0])
    blank.ents = [Span(blank, 1, 2, label="LOC")]
    eg = Example(blank, Doc(VOCAB, words=["a"], spaces=[0], ents=["O"]))
    assert get_ner_prf([eg])["ents_p"] is None
    assert count_spans([(x.gold, x.found) for x in [example_to_line(eg)]]) == {"LOC": (0, 1, 0)}


def test_found_entities_where_nobody_annotated_count_neither_way():
    words = ["a", "b", "c", "d"]
    eg = make_example(words, [(0, 1, "A")], [(0, 1, "A"), (2, 3, "B")], default="missing")
    line = example_to_line(eg)
    assert line.found == [(0, 1, "A")] and line.n_ignored == 1
    assert line.missing == {1, 2, 3}
    assert list_tag_pairs([line]) == [(["B-A"], ["B-A"])]
    assert count_spans([(line.gold, line.found)]) == {"A": (1, 1, 1)}
    assert get_ner_prf([eg])["ents_p"] == 1.0


def test_white_space_and_other_scripts_have_their_place():
    words = ["שלום", "👩‍🚀", "\n", "London", " "]
    gold = Doc(VOCAB, words=words, ents=["B-A", "O", "O", "B-B", "I-B"])
    found = Doc(VOCAB, words=words, ents=["O", "B-A", "O", "B-B", "O"])
    line = example_to_line(Example(found, gold))
    assert [line.text[a:b] for a, b in line.units] == ["שלום", "👩‍🚀", "London"]
    assert line.gold == [(0, 1, "A"), (2, 3, "B")] and line.found == [(1, 2, "A"), (2, 3, "B")]
    empty = example_to_line(Example(Doc(VOCAB), Doc(VOCAB)))
    assert empty.units == empty.gold == empty.found == []


def read_sklearn(pairs):
    # scikit-learn's classification_report, in four lines
    rows = [row for gold, found in pairs for row in zip(gold, found, strict=True)]
    right, found, gold = (
        Counter(a for a, b in rows if a == b),
        Counter(b for _, b in rows),
        Counter(),
    )
    gold.update(a for a, _ in rows)
    return (
        {tag: (right[tag], found[tag], gold[tag]) for tag in gold | found},
        right.total(),
        len(rows),
    )


@given(tag_pairs())
def test_tags_are_scored_as_a_confusion_matrix_says(pairs):
    scored = score_tags(pairs)
    expected, n_right, n = read_sklearn(pairs)
    assert {x: (r["right"], r["found"], r["gold"]) for x, r in scored["tags"].items()} == expected
    assert scored["accuracy"] == (n_right / n if n else None)
    assert scored["n_tags"] == n


def test_accuracy_says_what_finding_nothing_would_get():
    scored = score_tags([(["O", "O", "O", "B-A"], ["O"] * 4)])
    assert scored["accuracy"] == scored["accuracy_of_only_o"] == 0.75
    assert scored["tags"]["B-A"]["f"] == 0.0


def test_repeating_tags_for_pieces_counts_long_words_more():
    pairs = [(["B-A", "O", "B-B"], ["B-A", "O", "O"])]
    assert score_pieces(pairs, [[1, 1, 1]])["f"] == pytest.approx(2 / 3)
    scored = score_pieces(pairs, [[3, 1, 1]])
    assert (scored["right"], scored["found"], scored["gold"]) == (3, 3, 4)
    assert score_pieces(pairs, [[0, 1, 1]])["f"] == 0.0


def test_partial_matches_by_hand():
    gold = [(0, 2, "A"), (3, 4, "B"), (6, 8, "A"), (9, 10, "A")]
    found = [(0, 2, "A"), (3, 4, "A"), (7, 8, "A"), (5, 6, "B")]
    scored = score_partial([(gold, found)])
    kinds = ("correct", "incorrect", "partial", "missed", "spurious")
    counts = {mode: [row[kind] for kind in kinds] for mode, row in scored.items()}
    assert counts == {
        "strict": [1, 2, 0, 1, 1],
        "exact": [2, 1, 0, 1, 1],
        "partial": [2, 0, 1, 1, 1],
        "type": [2, 1, 0, 1, 1],
    }
    assert scored["partial"]["p"] == pytest.approx(2.5 / 4)
    assert scored["strict"]["f"] == pytest.approx(0.25)
    assert score_partial([])["strict"]["f"] is None


@given(tag_pairs())
def test_strict_partial_matches_are_the_entity_scores(pairs):
    pairs = [(tags_to_spans(gold), tags_to_spans(found)) for gold, found in pairs]
    scored = score_partial(pairs)
    micro = sum_counts(count_spans(pairs).values()).to_scores()
    for key in "prf":
        assert scored["strict"][key] == (None if micro[key] is None else pytest.approx(micro[key]))
    for row in scored.values():
        assert row["correct"] + row["incorrect"] + row["partial"] + row["missed"] == micro["gold"]
        assert (
            row["correct"] + row["incorrect"] + row["partial"] + row["spurious"] == micro["found"]
        )


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
    if not Doc.has_extension("ent_scores"):
        from spacy_bert_ner.annotate import register_extensions

        register_extensions()
    eg.predicted._.ent_scores = [[0, 1, "A", 0.9], [4, 5, "A", 0.6]]
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


def test_sentences_of_a_document_are_drawn_together():
    lines = draw_docs(400, 0.7, seed=1)
    joined = [line._replace(doc=line.doc // 40) for line in lines]
    assert len(count_docs(joined, ["A", "B", "C"])) == 10


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
