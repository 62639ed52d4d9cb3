"""The page of label errors: everything is there, filtered and escaped."""

import re

import pytest
from spacy.tokens import Doc
from support.evaluations import EVIL, VOCAB

from spacy_bert_ner.review.candidates import find_candidates
from spacy_bert_ner.review.estimate import estimate_noise
from spacy_bert_ner.review.judge import Judgement, Place
from spacy_bert_ner.review.page import render_findings
from spacy_bert_ner.review.sentences import GoldSentence


def render(label, word, prob=0.0005):
    doc = Doc(VOCAB, words=["In", word, "now"], ents=["O", f"B-{label}", "O"])
    place = Place(1, 2, ((1, 2, label),), ((1, 2, "LOC"),), prob, 0.9)
    said = [Judgement([place], 0)]
    candidates = find_candidates([GoldSentence(0, 0, doc)], said)
    summary = {
        "data": EVIL, "n_models": 1, "n_sentences": 1, "n_entities": 1, "n_not_judged": 1,
        "n_candidates": 1, **estimate_noise(said),
    }  # fmt: skip
    return candidates[0], render_findings(candidates, summary)


def test_all_text_is_escaped_and_nothing_is_fetched_or_run():
    _, page = render(EVIL, EVIL)
    assert "<script" not in page and "{{" not in page.replace("{{ 7 * 7 }}", "")
    assert page.count("&lt;script&gt;") >= 4
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


@pytest.mark.parametrize(("prob", "hidden"), [(0.5, "012"), (0.05, "12"), (0.0005, "")])
def test_a_place_has_both_readings_and_the_classes_of_its_filters(prob, hidden):
    candidate, page = render("PER", "Oslo", prob)
    (classes,) = re.findall(r'<section class="([^"]+)"', page)
    assert classes.split() == [
        "place",
        "kind-0",
        "label-0",
        "label-1",
        *[f"limit-{x}" for x in hidden],
    ]
    for name in classes.split()[1:]:
        assert f'id="{name}"' in page and f"{name}:checked" in page
    marks = re.findall(r"<mark( class=\"wrong\")?[^>]*>Oslo<small>[^<]*?(LOC|PER)</small>", page)
    assert marks == [(' class="wrong"', "PER"), ("", "LOC")]
    assert candidate.id in page and f"{100 * prob:.2g} %" in page and "90 %" in page
