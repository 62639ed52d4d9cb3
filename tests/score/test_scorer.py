"""Scores of entities in the form that spaCy gives them."""

import pytest
from spacy.training import Example
from support.pipelines import make_nlp

from spacy_bert_ner.score.scorer import score_entities


@pytest.mark.parametrize("spans_key", [None, "mine"])
def test_labels_are_sorted(spans_key):
    nlp = make_nlp()
    doc = nlp.make_doc("a b c d e f g h")
    labels = ["H", "B", "G", "A", "F", "C", "E", "D"]
    spans = [doc.char_span(2 * i, 2 * i + 1, label) for i, label in enumerate(labels)]
    doc.ents, doc.spans["mine"] = spans, spans
    scores = score_entities([Example(doc, doc.copy())], spans_key=spans_key)
    prefix = "ents" if spans_key is None else "spans_mine"
    assert list(scores[f"{prefix}_per_type"]) == sorted(labels)
    assert scores[f"{prefix}_f"] == 1.0
