"""Scores of entities, tags and partial matches, against oracles that share no code with them."""

from collections import Counter

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example, iob_to_biluo
from support.evaluations import TAGS, VOCAB, make_example, tag_pairs

from spacy_bert_ner.evaluate.counts import Counts, count_spans, sum_counts, summarize
from spacy_bert_ner.evaluate.lines import example_to_line
from spacy_bert_ner.evaluate.partial import score_partial
from spacy_bert_ner.evaluate.predict import read_examples
from spacy_bert_ner.evaluate.rules import RULES, read_strictly, score_by_rules
from spacy_bert_ner.evaluate.tokens import list_tag_pairs, score_pieces, score_tags
from spacy_bert_ner.schemes import spans_to_tags, tags_to_spans


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


@settings(deadline=None)
@given(tag_pairs())
def test_all_tools_but_the_strict_one_read_tags_as_conlleval(pairs):
    scored = score_by_rules(pairs)["rules"]
    expected = conlleval(pairs).to_scores()
    assert scored["spacy"] == scored["conlleval"] == scored["seqeval"] == expected


@settings(deadline=None)
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


@settings(deadline=None)
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


@settings(deadline=None)
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
    # An entity over two gold ones takes the first, and leaves the second to the next.
    both = score_partial([([(0, 2, "A"), (2, 4, "A")], [(1, 3, "B"), (3, 4, "B")])])["strict"]
    assert [both[kind] for kind in kinds] == [0, 2, 0, 0, 0]


@settings(deadline=None)
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


def test_sentences_have_the_number_of_their_doc_and_cut_entities_are_counted_once(tmp_path):
    nlp = spacy.blank("en")
    docs = []
    for words in (["A", "B", "C"], ["D", "E"]):
        doc = Doc(nlp.vocab, words=words, sent_starts=[word in "ABD" for word in words])
        doc.ents = [Span(doc, 0, 2, label="X")]
        docs.append(doc)
    docs += [docs[0]]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    with pytest.warns(UserWarning, match="leaves out 2 gold entities across sentences") as caught:
        found = list(read_examples(nlp, tmp_path / "a.spacy", gold_words=True))
    assert [w.category for w in caught].count(UserWarning) == 1
    assert [(n, eg.predicted.text) for n, eg in found] == [
        (0, "A "), (0, "B C "), (1, "D E "), (2, "A "), (2, "B C ")
    ]  # fmt: skip
