"""Vectors of all pieces of a token, and heads that score each piece."""

from dataclasses import replace

import numpy as np
import pytest
import spacy
import torch
from test_encoder import LONG
from test_vectors import OURS, STOCK, TEXTS, annotate, make_examples, make_nlp, make_transformer
from thinc.api import Adam

PIECES = {"@architectures": "spacy-bert-ner.PieceListener.v1"}
CLASSIFIER = {"@architectures": "spacy-bert-ner.PieceClassifier.v1", "tok2vec": PIECES}


def make_pieces_nlp(folder, aggregation):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(folder, pooling="pieces")})
    nlp.add_pipe("bert_ner", config={"model": {**CLASSIFIER, "aggregation": aggregation}})
    return nlp


def initialize(nlp):
    """Make weights that find many entities."""
    nlp.initialize(lambda: make_examples(nlp))
    layer = nlp.get_pipe("bert_ner").model.get_ref("tag_scores").shims[0]._model[0]
    torch.manual_seed(0)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return nlp


@pytest.fixture(scope="module", params=["average", "max"])
def nlp(get_encoder, request):
    """A pipeline that finds something; tests must not change it."""
    return initialize(make_pieces_nlp(get_encoder(), request.param))


def test_any_batch_gives_the_same(nlp):
    one_by_one = [annotate(nlp, [text])[0] for text in TEXTS]
    assert any(tag[2] for doc in one_by_one for tag in doc)
    assert annotate(nlp) == one_by_one
    assert annotate(nlp, batch_size=3) == one_by_one


def test_words_of_one_piece_are_learned_as_without_pieces(get_encoder):
    plain = spacy.blank("en")
    plain.add_pipe("transformer", config={"model": make_transformer(get_encoder(), dropout=0.0)})
    model = {"tok2vec": OURS, "features": None, "hidden": None}
    plain.add_pipe("bert_ner", config={"model": model})
    pieces = make_pieces_nlp(get_encoder(), "average")
    pieces.get_pipe("transformer").model.shims[0].settings = replace(
        pieces.get_pipe("transformer").model.shims[0].settings, dropout=0.0
    )
    losses = []
    for nlp in map(initialize, (plain, pieces)):
        examples, optimizer = make_examples(nlp)[:3], Adam(0.001)
        losses.append([nlp.update(examples, sgd=optimizer)["bert_ner"] for _ in range(5)])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_saved_and_loaded_or_with_an_encoder_of_its_own_it_finds_the_same(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert annotate(loaded) == annotate(nlp)
    loaded.replace_listeners("transformer", "bert_ner", ["model.tok2vec"])
    assert annotate(loaded) == annotate(nlp)
    optimizer = loaded.resume_training()
    losses = loaded.update(make_examples(loaded), sgd=optimizer)
    assert losses["bert_ner"] > 0
    loaded.to_disk(tmp_path / "again")
    assert annotate(spacy.load(tmp_path / "again")) == annotate(loaded)


def test_a_token_has_a_row_for_each_piece_and_at_least_one(get_encoder):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder(), pooling="pieces")})
    nlp.initialize()
    texts = ["Alex lives", "", "a  abcde", LONG]
    for doc in nlp.pipe(texts):
        data = doc._.trf_data
        if not len(doc):
            continue
        assert len(data.lengths) == len(doc)
        assert data.lengths.sum() == len(data.X)
        assert (data.lengths >= 1).all()
    doc = nlp("a  abcde")
    assert doc._.trf_data.lengths.tolist() == [1, 1, 5]
    assert not doc._.trf_data.X[1].any()


def test_a_stock_listener_s_mean_is_the_mean_of_the_pieces(get_encoder):
    vectors = []
    for pooling, listener in (("pieces", STOCK), ("mean", OURS)):
        nlp = make_nlp(get_encoder(), listener=listener, n_steps=0, pooling=pooling)
        nlp.remove_pipe("doc_cleaner")
        tok2vec = nlp.get_pipe("bert_ner").model.get_ref("tok2vec")
        docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in ("Alex lives", LONG)]
        vectors.append(np.concatenate(tok2vec.predict(docs)))
    np.testing.assert_allclose(*vectors, atol=1e-5)


def test_listener_and_transformer_must_fit(get_encoder):
    with pytest.raises(ValueError, match=r"vectors of tokens found those of pieces.*PieceListener"):
        make_nlp(get_encoder(), pooling="pieces")
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder())})
    nlp.add_pipe("bert_ner", config={"model": CLASSIFIER})
    with pytest.raises(ValueError, match=r"vectors of pieces found those of tokens.*TransformerL"):
        nlp.initialize(lambda: make_examples(nlp))
        nlp.update(make_examples(nlp))
    with pytest.raises(ValueError, match="Aggregation 'first', expected one of average, max"):
        nlp.add_pipe(
            "bert_ner", name="other", config={"model": {**CLASSIFIER, "aggregation": "first"}}
        )
