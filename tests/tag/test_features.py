"""Vectors from what spaCy's lexemes know of a word."""

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from support.pipelines import DATA, EXPECTED, make_nlp, read_ents, train

from spacy_bert_ner.tag.features import (
    build_word_forms_v1,
    build_word_forms_v2,
    build_word_shape_v1,
)

VOCAB = spacy.blank("en").vocab
WORDS = st.lists(st.sampled_from(["Paris", "paris", "PARIS", ",", "1996", "x", " "]), max_size=6)
TEXTS = st.lists(WORDS, min_size=1, max_size=4)


def make_docs(texts):
    return [Doc(VOCAB, words=words) for words in texts]


def build(**options):
    return build_word_forms_v1(width=3, rows=(50, 50, 50, 50), **options).initialize(
        make_docs([["Paris"]])
    )


@settings(deadline=None, max_examples=50)
@given(texts=TEXTS, window=st.integers(0, 2))
def test_a_window_holds_the_vectors_of_the_neighbours_in_the_same_doc(texts, window):
    alone, model = build(window=0), build(window=window)
    for node, other in zip(
        (n for n in model.walk() if n.has_param("E")),
        (n for n in alone.walk() if n.has_param("E")),
        strict=True,
    ):
        node.set_param("E", other.get_param("E"))
    # With no word at all there is nothing to be wide; the component asks no head then.
    docs = make_docs([*texts, ["Paris"]])
    for single, Y in zip(alone.predict(docs), model.predict(docs), strict=True):
        padded = np.pad(single, ((window, window), (0, 0)))
        parts = [padded[i : i + len(single)] for i in range(2 * window + 1)]
        np.testing.assert_array_equal(Y, np.hstack(parts))


def test_each_attribute_tells_words_apart():
    # One part of the vector for each attribute, three entries wide.
    X = build(window=0).predict(make_docs([["Paris", "paris", "Pirus", "Paros", "Lyon"]]))[0]
    norm, prefix, suffix, shape = np.split(X, 4, axis=1)
    same = [(part[0] == part).all(1).tolist() for part in (norm, prefix, suffix, shape)]
    assert same == [
        [True, True, False, False, False],
        [True, False, True, True, False],
        [True, True, False, False, False],
        [True, False, True, True, False],
    ]


def test_gradients_reach_the_tables():
    model = build(window=1)
    docs = make_docs([["Paris", "is"], [], ["big"]])
    Y, backprop = model.begin_update(docs)
    backprop([np.ones_like(y) for y in Y])
    tables = [node for node in model.walk() if node.has_param("E")]
    assert len(tables) == 4
    # Each of three words is seen by all that have it in their window.
    for table in tables:
        assert table.get_grad("E").sum() == pytest.approx(4 * 3 * (2 + 2 + 1))


def test_row_32_empty_docs_anywhere():
    nlp = make_nlp(model={"features": {"@architectures": "spacy-bert-ner.WordForms.v1"}})
    train(nlp)
    empty = Example.from_dict(nlp.make_doc(""), {})
    assert nlp.update([empty, empty]) == {"ner": 0.0}
    for texts in (["", ""], ["", DATA[1][0], ""]):
        docs = list(nlp.pipe(texts))
        assert [read_ents(doc) for doc in docs] == [EXPECTED[1] if text else [] for text in texts]


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match=r"2 attributes \(NORM, SHAPE\) and 1 numbers of rows"):
        build_word_forms_v1(attrs=["NORM", "SHAPE"], rows=[10])
    with pytest.raises(ValueError, match=r"attrs = \[\], expected at least one .*features = null"):
        build_word_forms_v1(attrs=[], rows=[])


def test_one_attribute_is_enough():
    model = build_word_forms_v1(width=3, attrs=["SHAPE"], rows=[10], window=0)
    assert model.initialize(make_docs([["a"]])).predict(make_docs([["a", "b"]]))[0].shape == (2, 3)


def test_a_saved_head_scores_the_same_when_other_layers_were_made_before(tmp_path):
    # thinc numbers layers as they are made; the hashes must not depend on that.
    model = {"features": {"@architectures": "spacy-bert-ner.WordForms.v1"}, "hidden": 8}
    nlp = make_nlp(model=model)
    train(nlp, n_steps=5)
    nlp.to_disk(tmp_path)
    build_word_shape_v1().initialize(make_docs([["a"]]))
    doc = nlp.make_doc(DATA[0][0])
    scores = [p.get_pipe("ner").model.predict([doc])[0] for p in (nlp, spacy.load(tmp_path))]
    np.testing.assert_array_equal(*scores)


SENTENCE = ["Paris", "is", "big", ",", "said", "McLean", "in", "1996", "."]


def build_without_case(**options):
    options = {"width": 3, "rows": (50, 50, 50, 50), "window": 1, **options}
    return build_word_forms_v2(**options).initialize(make_docs([["Paris"]]))


def test_case_that_says_nothing_counts_as_unknown():
    model = build_without_case()
    ways = [[change(word) for word in SENTENCE] for change in (str.lower, str.upper, str.title)]
    lower, upper, title, mixed = model.predict(make_docs([*ways, SENTENCE]))
    np.testing.assert_array_equal(lower, upper)
    np.testing.assert_array_equal(lower, title)
    assert (lower != mixed).any(axis=1).all()


def test_where_case_says_something_forms_are_those_of_v1():
    model, v1 = build_without_case(window=0), build(window=0)
    pairs = zip(model.walk(), v1.walk(), strict=True)
    for node, other in pairs:
        if other.has_param("E"):
            node.set_param("E", other.get_param("E"))
    docs = make_docs([SENTENCE, [], ["x", "Paris"]])
    for X, Y in zip(model.predict(docs), v1.predict(docs), strict=True):
        np.testing.assert_array_equal(X, Y)
    # only what says the case differs where it is hidden
    lower = make_docs([[word.lower() for word in SENTENCE]])
    differs = (model.predict(lower)[0] != v1.predict(lower)[0]).any(axis=0)
    assert differs.reshape(4, 3).any(axis=1).tolist() == [False, True, False, True]


def test_training_hides_the_case_of_a_share_of_the_docs():
    model = build_without_case(hide_case=0.3)
    docs = make_docs([SENTENCE] * 400)
    hidden = model.predict(make_docs([[word.lower() for word in SENTENCE]]))[0]
    np.random.seed(0)
    Xs, _ = model.begin_update(docs)
    is_hidden = [bool((hidden == X).all()) for X in Xs]
    assert 80 <= sum(is_hidden) <= 160
    shown = model.predict(docs[:1])[0]
    assert all(((hidden if h else shown) == X).all() for X, h in zip(Xs, is_hidden, strict=True))
    for share, expected in ((0.0, shown), (1.0, hidden)):
        other = model.copy()
        other.layers[0].attrs["hide_case"] = share
        np.testing.assert_array_equal(other.begin_update(docs[:1])[0][0], expected)
