"""Prediction without joined vectors gives the scores of the layers one after the other."""

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.chain import forward as forward_chain

from spacy_bert_ner.tag import token_classifier
from spacy_bert_ner.tag.features import (
    build_word_forms_v1,
    build_word_forms_v2,
    build_word_shape_v1,
)
from spacy_bert_ner.tag.form_products import MIX, find_distinct

VOCAB = spacy.blank("en").vocab
WORDS = st.lists(st.sampled_from(["Paris", "paris", "PARIS", ",", "1996", "x", " "]), max_size=6)
TEXTS = st.lists(WORDS, min_size=1, max_size=4)
FORMS = {"width": 3, "rows": (50, 50, 50, 50)}
WIDTH = 5


def make_docs(texts):
    return [Doc(VOCAB, words=words) for words in texts]


def give_vectors(model, docs, is_train):
    Xs = [
        doc.to_array(["LENGTH", *["ORTH"] * (WIDTH - 1)]) % np.arange(3, WIDTH + 3) for doc in docs
    ]
    return [X.astype("f") for X in Xs], lambda dXs: []


def build_head(features, **options):
    tok2vec = Model("vectors", give_vectors, dims={"nO": WIDTH})
    docs = make_docs([["Paris", "is", "old"]])
    head = token_classifier.build_token_classifier_v1(tok2vec, features, **options)
    head.initialize(docs, [np.zeros((3, 7), dtype="f")])
    for node in (node for node in head.walk() if node.has_param("E")):
        E = np.random.default_rng(0).normal(size=node.get_param("E").shape)
        node.set_param("E", E.astype("f"))
    return head


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("build", [build_word_forms_v1, build_word_forms_v2])
@settings(deadline=None, max_examples=20)
@given(texts=TEXTS)
def test_forms_are_multiplied_as_their_vectors_are(build, window, texts):
    forms = build(window=window, **FORMS).initialize(make_docs([["Paris"]]))
    docs = make_docs([*texts, ["Paris"]])
    weight = torch.linspace(-1, 1, 4 * forms.get_dim("nO")).reshape(4, -1)
    products = forms.attrs["multiply"](forms, docs, weight)
    expected = np.concatenate(forms.predict(docs)) @ weight.numpy().T
    for words in (slice(None), slice(0, 1), slice(len(expected) // 2, len(expected))):
        np.testing.assert_allclose(products.sum(words), expected[words], atol=1e-5)


@pytest.mark.parametrize("block", [1, 4, 10**6])
@pytest.mark.parametrize(
    ("features", "options"),
    [
        (None, {"decoder": "valid"}),
        (None, {"hidden": 6, "norm": True}),
        (build_word_shape_v1(4), {"hidden": 6}),
        (build_word_forms_v2(**FORMS), {}),
        (build_word_forms_v1(window=0, **FORMS), {"hidden": 6, "decoder": "valid", "norm": True}),
    ],
)
def test_scores_are_those_of_the_layers(features, options, block, monkeypatch):
    head = build_head(features, **options)
    docs = make_docs(
        [[], ["Paris"], ["A", "nice", "day", "in", "PARIS", "."], [], ["x", "Paris"], []]
    )
    expected, _ = forward_chain(head, docs, False)
    monkeypatch.setattr(token_classifier, "BLOCK_WORDS", block)
    found = head.predict(docs)
    assert len(found) == len(docs) and np.concatenate(found).any()
    for Y, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(Y, other, atol=1e-5)


def test_rows_whose_sums_are_equal_stay_apart():
    rows = np.asarray([[1, 0], [0, MIX], [1, 0], [2, 5]], dtype=np.uint64)
    for shown in (rows, rows[[0, 2, 3, 3]]):
        distinct, index = find_distinct(shown)
        np.testing.assert_array_equal(distinct[index], shown)
        assert len(distinct) == len({tuple(row) for row in shown.tolist()})
