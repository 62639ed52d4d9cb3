"""Docs → token vectors: parity with Hugging Face, in any batch and company; settings."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from support.checkpoints import KINDS
from support.encoders import LONG, NLP, TEXTS, WIDTH, build, cut_alone, make_docs, predict, read

from spacy_bert_ner.encode.transformer import build_transformer_model_v1, docs_to_buckets, get_shim
from spacy_bert_ner.pieces.windows import split_windows


def encode_alone(checkpoint, pieces, pooling="first"):
    """What Hugging Face itself gives for the tokens of one window."""
    flat = [piece for ids in pieces for piece in ids]
    with torch.no_grad():
        ids = torch.tensor([[*checkpoint.cutter.prefix, *flat, *checkpoint.cutter.suffix]])
        X = checkpoint.model(input_ids=ids).last_hidden_state[0, len(checkpoint.cutter.prefix) :]
    ends = np.cumsum([len(ids) for ids in pieces]).astype(int)
    rows = {"first": slice(1), "last": slice(-1, None), "mean": slice(None)}[pooling]
    vectors = np.zeros((len(pieces), X.shape[1]), dtype="f")
    for i, ids in enumerate(pieces):
        if ids:
            vectors[i] = X[ends[i] - len(ids) : ends[i]][rows].mean(0)
    return vectors


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_equal_hugging_face_s_on_each_doc_alone(get_encoder, kind, pooling):
    checkpoint = read(get_encoder(kind))
    docs = make_docs()
    vectors = predict(build(get_encoder(kind), pooling=pooling), docs)
    for doc, X in zip(docs, vectors, strict=True):
        expected = encode_alone(checkpoint, cut_alone(checkpoint, doc), pooling)
        np.testing.assert_allclose(X, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_of_a_long_doc_equal_hugging_face_s_on_each_window(get_encoder, kind):
    checkpoint = read(get_encoder(kind))
    (doc,) = make_docs(LONG)
    pieces = cut_alone(checkpoint, doc)
    lengths = np.array([len(ids) for ids in pieces])
    windows = split_windows(lengths, np.array([len(doc)]), size=18, context=3)
    (X,) = predict(build(get_encoder(kind), window=20, context=3), [doc])
    offsets = np.cumsum(lengths) - lengths
    for start, end, first, last in zip(*windows, strict=True):
        low, high = np.searchsorted(offsets, [start, end])
        expected = encode_alone(checkpoint, pieces[low:high])[first - low : last - low]
        np.testing.assert_allclose(X[first:last], expected, atol=1e-5)


MODELS = {}
WORDS = st.sampled_from(["alex", "London", ",", "Iraq's", "\n", "\u200b", "x", "network", "né"])


@settings(max_examples=40, deadline=None)
@given(
    docs=st.lists(st.lists(WORDS, max_size=70), min_size=1, max_size=12),
    budget=st.sampled_from([1, 30, 100, 1000]),
    random=st.randoms(use_true_random=False),
)
def test_vectors_do_not_depend_on_batch_order_or_company(get_encoder, docs, budget, random):
    if budget not in MODELS:
        MODELS[budget] = build(get_encoder(), batch_pieces=budget)
    docs = [Doc(NLP.vocab, words=words) for words in docs]
    alone = [predict(MODELS[budget], [doc])[0] for doc in docs]
    order = random.sample(range(len(docs)), len(docs))
    together = predict(MODELS[budget], [docs[i] for i in order])
    for i, X in zip(order, together, strict=True):
        np.testing.assert_allclose(X, alone[i], atol=1e-5)


def test_row_29_words_without_pieces_have_a_vector_and_whitespace_zeros(get_encoder):
    doc = Doc(NLP.vocab, words=["in", "\u200b", "\x81", "\n", " "])
    (X,) = predict(build(get_encoder()), [doc])
    assert X.any(axis=1).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("kind", KINDS)
def test_row_30_each_word_of_a_doc_of_long_words_has_a_vector(get_encoder, kind):
    doc = Doc(NLP.vocab, words=["abcdefghi" * 2, "in"] * 60 + ["z" * 5000, "a-" * 2500])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (X,) = predict(build(get_encoder(kind)), [doc])
    assert X.shape == (len(doc), WIDTH)
    assert X.any(axis=1).all()


def test_row_30_cut_words_are_counted_in_one_warning(get_encoder):
    docs = [Doc(NLP.vocab, words=["a-" * 2500, "in", "b-" * 2500])] * 2
    with pytest.warns(
        UserWarning, match="pieces of 4 words of this batch .* at most 38 pieces"
    ) as caught:
        predict(build(get_encoder()), docs)
    assert [w.category for w in caught].count(UserWarning) == 1


def test_row_31_a_tokenizer_without_a_limit_is_no_fault(get_encoder):
    (X,) = predict(build(get_encoder()), [Doc(NLP.vocab, words=["alex"] * 300)])
    assert X.shape == (300, WIDTH)
    assert X.any(axis=1).all()


@pytest.mark.parametrize("texts", [["", "yes"], ["yes", "", "no"], ["yes", ""], [""], ["", " "]])
def test_row_32_empty_docs_anywhere(get_encoder, texts):
    model = build(get_encoder())
    docs = make_docs(*texts)
    for doc, X in zip(docs, predict(model, docs), strict=True):
        np.testing.assert_allclose(X, predict(model, [doc])[0], atol=1e-5)
        assert X.shape == (len(doc), WIDTH)


def test_no_docs_at_all(get_encoder):
    assert predict(build(get_encoder()), []) == []


def test_docs_are_cut_at_sentence_borders_if_these_are_known(get_encoder):
    (plain,) = make_docs(LONG)
    (split,) = make_docs(LONG)
    NLP.create_pipe("sentencizer")(split)
    model = build(get_encoder(), window=20, context=2)
    assert not np.allclose(predict(model, [plain])[0], predict(model, [split])[0])


@pytest.mark.parametrize(
    ("setting", "values"),
    [("pooling", ("first", "mean", "last")), ("window", (20, 30)), ("context", (0, 4))],
)
def test_setting_changes_the_vectors(get_encoder, setting, values):
    (doc,) = make_docs(LONG)
    vectors = [predict(build(get_encoder(), **{setting: v}), [doc])[0] for v in values]
    for X, Y in pairwise(vectors):
        assert not np.allclose(X, Y, atol=1e-3)


def test_batch_pieces_bounds_what_is_computed_at_once(get_encoder):
    docs = make_docs(LONG, LONG, *TEXTS)
    for budget in (40, 100, 1000):
        model = build(get_encoder(), batch_pieces=budget)
        sizes = [bucket.ids.size for bucket in docs_to_buckets(docs, get_shim(model))[0]]
        assert max(sizes) <= budget
        assert budget < 1000 or max(sizes) > 100


def test_attention_is_computed_as_set(get_encoder):
    docs = make_docs()
    models = [build(get_encoder(), attention=attention) for attention in ("sdpa", "eager")]
    chosen = [get_shim(model)._model.config._attn_implementation for model in models]
    assert chosen == ["sdpa", "eager"]
    for X, Y in zip(*(predict(model, docs) for model in models), strict=True):
        np.testing.assert_allclose(X, Y, atol=1e-5)


def test_config_values_are_not_coerced(get_encoder):
    # a model is built from a config as spaCy does it
    block = {
        "@architectures": "spacy-bert-ner.TransformerModel.v1",
        "name": str(get_encoder()),
        "window": 20,
        "dropout": 0.2,
        "gradient_checkpointing": True,
    }
    model = spacy.util.registry.resolve({"model": block})["model"]
    settings_ = get_shim(model).settings
    assert (settings_.window, settings_.dropout) == (20, 0.2)
    assert spacy.util.registry.resolve({"model": {**block, "dropout": 0}})
    with pytest.raises(Exception, match="window"):
        spacy.util.registry.resolve({"model": {**block, "window": "wide"}})


def test_a_model_without_weights_says_so(get_encoder):
    model = build_transformer_model_v1(name=str(get_encoder()))
    with pytest.raises(ValueError, match=r"no weights yet.*nlp.initialize"):
        model.predict(make_docs())


def test_missing_encoder_is_found_when_the_pipeline_is_initialised(tmp_path):
    model = build_transformer_model_v1(name=str(tmp_path / "encoder"))
    with pytest.raises(FileNotFoundError, match="project run encoder"):
        model.initialize()
