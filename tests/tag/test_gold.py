"""Gold tags and what is lost on the way to them: counted, named, harmless."""

import warnings

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from support.pipelines import DATA, make_examples, make_nlp

from spacy_bert_ner.tag.gold import find_missing, place_gold_ents, read_gold_tags
from spacy_bert_ner.tag.words import find_words


def test_misaligned_entities_are_counted_and_do_not_break_training():
    nlp = make_nlp()
    reference = Doc(
        nlp.vocab, words=["al-Qaida", "grew"], spaces=[True, False], ents=["B-ORG", "O"]
    )
    cut = Doc(nlp.vocab, words=["al", "-Qa", "ida grew"], spaces=[False, False, False])
    examples = [*make_examples(nlp), Example(cut, reference)]
    with pytest.warns(UserWarning, match=r"1 of 4 gold entities .*'al-Qaida'"):
        optimizer = nlp.initialize(lambda: examples)
    assert nlp.update(examples, sgd=optimizer)["ner"] > 0
    gold = read_gold_tags(examples[-1], find_words(cut), nlp.get_pipe("ner").tag_model.tag_set)
    assert gold.tolist() == [-1, -1, -1]


def test_gold_entities_across_a_sentence_border_are_missing():
    nlp = make_nlp()
    words = ["in", "New", "York"]
    reference = Doc(nlp.vocab, words=words, ents=["O", "B-LOC", "I-LOC"])
    predicted = Doc(nlp.vocab, words=words, sent_starts=[True, False, True])
    examples = [*make_examples(nlp), Example(predicted, reference)]
    with pytest.warns(UserWarning, match="1 of 4 gold entities .* cross a sentence's border"):
        nlp.initialize(lambda: examples)
    tag_set = nlp.get_pipe("ner").tag_model.tag_set
    gold = read_gold_tags(examples[-1], find_words(predicted), tag_set)
    assert gold.tolist() == [0, -1, -1]


def test_labels_that_were_not_given_are_named_and_their_entities_missing():
    nlp = make_nlp()
    examples = make_examples(nlp)
    pipe = nlp.get_pipe("ner")
    pipe.initialize(lambda: examples, nlp=nlp, labels=["LOC"])
    tag_set = pipe.tag_model.tag_set
    with pytest.warns(UserWarning, match="label 'PER' are not learned.*labels are LOC") as caught:
        gold = [read_gold_tags(eg, find_words(eg.predicted), tag_set) for eg in examples]
    assert [w.category for w in caught].count(UserWarning) == 1
    assert gold[0].tolist() == [-1, -1, 0, 0, 1, 2, 0, 0]
    assert gold[1].tolist() == [1, 0, 0]


def test_aligned_entities_give_no_warning():
    nlp = make_nlp()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.initialize(lambda: make_examples(nlp))


def test_of_overlapping_gold_spans_the_longer_one_is_learned():
    nlp = make_nlp(spans_key="coarse")
    doc = nlp.make_doc("New York City grows")
    doc.spans["coarse"] = [Span(doc, 0, 2, label="A"), Span(doc, 0, 3, label="A")]
    examples = [Example(nlp.make_doc(doc.text), doc)]
    with pytest.warns(UserWarning, match=r"1 of 2 gold spans of doc.spans\['coarse'\] overlap"):
        nlp.initialize(lambda: examples)
    tag_set = nlp.get_pipe("ner").tag_model.tag_set
    words = find_words(examples[0].predicted)
    gold = read_gold_tags(examples[0], words, tag_set, spans_key="coarse")
    assert [tag_set.tags[tag] for tag in gold] == ["B-A", "I-A", "I-A", "O"]


@pytest.mark.parametrize("scheme", ["IOB2", "BILOU"])
def test_gold_tags_pass_over_white_space(scheme):
    nlp = make_nlp(scheme=scheme)
    nlp.initialize(lambda: make_examples(nlp))
    eg = Example.from_dict(nlp.make_doc("in New\nYork , now"), {"entities": [(3, 11, "LOC")]})
    tag_set = nlp.get_pipe("ner").tag_model.tag_set
    gold = read_gold_tags(eg, find_words(eg.predicted), tag_set)
    inner = "I-LOC" if scheme == "IOB2" else "L-LOC"
    assert [tag_set.tags[tag] for tag in gold] == ["O", "B-LOC", inner, "O", "O"]


def test_missing_gold_tags_count_neither_way():
    nlp = make_nlp(model={"decoder": "valid"})
    nlp.initialize(lambda: make_examples(nlp))
    pipe = nlp.get_pipe("ner")
    doc = nlp.make_doc(DATA[1][0])
    reference = nlp.make_doc(DATA[1][0])
    reference.set_ents([Span(reference, 0, 1, label="LOC")], default="missing")
    scores = [np.zeros((3, 5))]
    _, d_scores = pipe.get_loss([Example(doc, reference)], scores)
    assert np.abs(d_scores[0][0]).sum() > 0
    assert np.abs(d_scores[0][1:]).sum() == 0


@pytest.mark.parametrize(
    "other_words", [None, ["a", "b", "c", "d", "ef"], ["a", "b", "cd", "e", "f"]]
)
def test_missing_tokens_are_those_that_spacy_finds(other_words):
    vocab = spacy.blank("en").vocab
    gold = Doc(vocab, words=list("abcdef"), spaces=[False] * 6)
    gold.set_ents([Span(gold, 0, 2, "X")], missing=[gold[3:4], gold[5:6]], default="outside")
    words = other_words or list("abcdef")
    doc = Doc(vocab, words=words, spaces=[False] * len(words))
    eg = Example(doc, gold)
    expected = [tag in (None, "-") for tag in eg.get_aligned_ner()]
    assert find_missing(eg).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_row_29_a_gold_entity_of_nothing_but_white_space_is_counted_and_harmless():
    nlp = make_nlp()
    for words in (["Hi", "\xa0", "Bob", "ran"], ["Bob", "ran", "\xa0"]):
        doc = Doc(nlp.vocab, words=words)
        reference = doc.copy()
        at = words.index("\xa0")
        reference.set_ents([Span(reference, at, at + 1, label="PER")])
        examples = [*make_examples(nlp), Example(doc, reference)]
        with pytest.warns(UserWarning, match="1 of 4 gold entities"):
            optimizer = nlp.initialize(lambda examples=examples: examples)
        nlp.update(examples, sgd=optimizer)
        (ent,) = place_gold_ents(examples[-1], find_words(doc), examples[-1].reference.ents)
        assert not ent.fits
        assert nlp.evaluate(examples)["ents_f"] is not None
