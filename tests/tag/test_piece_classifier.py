"""Vectors of all pieces of a token, and heads that score each piece."""

import numpy as np
import pytest
import spacy
import torch
from support.encoders import LONG
from support.listening import (
    OURS,
    STOCK,
    TEXTS,
    annotate,
    make_examples,
    make_nlp,
    make_transformer,
)
from thinc.api import Adam, fix_random_seed
from thinc.types import Ragged

from spacy_bert_ner.tag.tag_rows import find_tags_going_on
from spacy_bert_ner.tag.tag_set import HEAD_SCHEMES, build_tag_set

PIECES = {"@architectures": "spacy-bert-ner.PieceListener.v1"}
CLASSIFIER = {"@architectures": "spacy-bert-ner.PieceClassifier.v1", "tok2vec": PIECES}


def make_pieces_nlp(folder, aggregation, dropout=None, **settings):
    nlp = spacy.blank("en")
    transformer = make_transformer(folder, pooling="pieces", dropout=dropout)
    nlp.add_pipe("transformer", config={"model": transformer})
    model = {**CLASSIFIER, "aggregation": aggregation, **settings}
    nlp.add_pipe("bert_ner", config={"model": model})
    return nlp


def initialize(nlp):
    """Make weights that find many entities."""
    nlp.initialize(lambda: make_examples(nlp))
    layer = nlp.get_pipe("bert_ner").model.get_ref("tag_scores").shims[0]._model[-1]
    torch.manual_seed(0)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return nlp


WIDE = {
    "features": {"@architectures": "spacy-bert-ner.WordShape.v1", "width": 8},
    "hidden": 16,
    "label_all_pieces": True,
}


@pytest.fixture(scope="module", params=[("average", {}), ("max", {}), ("first", WIDE)])
def nlp(get_encoder, request):
    """A pipeline that finds something; tests must not change it."""
    aggregation, settings = request.param
    return initialize(make_pieces_nlp(get_encoder(), aggregation, **settings))


def test_pieces_of_a_frozen_transformer_that_annotates_are_learned_from(get_encoder):
    nlp = make_pieces_nlp(get_encoder(), "average")
    nlp.initialize(lambda: make_examples(nlp))
    before, weights = nlp.get_pipe("transformer").to_bytes(), nlp.get_pipe("bert_ner").to_bytes()
    nlp.update(
        make_examples(nlp), sgd=Adam(0.01), exclude=["transformer"], annotates=["transformer"]
    )
    assert nlp.get_pipe("transformer").to_bytes() == before
    assert nlp.get_pipe("bert_ner").to_bytes() != weights


def test_any_batch_gives_the_same(nlp):
    one_by_one = [annotate(nlp, [text])[0] for text in TEXTS]
    assert any(tag[2] for doc in one_by_one for tag in doc)
    assert annotate(nlp) == one_by_one
    assert annotate(nlp, batch_size=3) == one_by_one


def make_plain_nlp(folder, **settings):
    plain = spacy.blank("en")
    plain.add_pipe("transformer", config={"model": make_transformer(folder, dropout=0.0)})
    model = {"tok2vec": OURS, "features": None, "decoder": "valid", **settings}
    plain.add_pipe("bert_ner", config={"model": model})
    return plain


@pytest.mark.parametrize(
    ("aggregation", "settings"), [("average", {}), ("first", {"label_all_pieces": True})]
)
def test_words_of_one_piece_are_learned_as_without_pieces(get_encoder, aggregation, settings):
    plain = make_plain_nlp(get_encoder())
    pieces = make_pieces_nlp(get_encoder(), aggregation, dropout=0.0, **settings)
    losses = []
    for nlp in map(initialize, (plain, pieces)):
        examples, optimizer = make_examples(nlp)[:3], Adam(0.001)
        losses.append([nlp.update(examples, sgd=optimizer)["bert_ner"] for _ in range(5)])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_the_first_piece_s_scores_are_those_of_a_head_on_tokens(get_encoder):
    wide = {name: WIDE[name] for name in ("features", "hidden")}
    plain = make_plain_nlp(get_encoder(), **wide)
    pieces = make_pieces_nlp(get_encoder(), "first", dropout=0.0, **wide)
    losses, found = [], []
    for nlp in (plain, pieces):
        fix_random_seed(0)
        initialize(nlp)
        embedding = next(
            node for node in nlp.get_pipe("bert_ner").model.walk() if node.name == "embed"
        )
        embedding.set_param("E", np.linspace(-1, 1, 512 * 8, dtype="f").reshape(512, 8))
        fix_random_seed(0)
        layers = nlp.get_pipe("bert_ner").model.get_ref("tag_scores").shims[0]._model
        torch.nn.init.normal_(layers[0].weight)
        torch.nn.init.zeros_(layers[0].bias)
        examples, optimizer = make_examples(nlp), Adam(0.001)
        losses.append([nlp.update(examples, sgd=optimizer)["bert_ner"] for _ in range(5)])
        found.append(annotate(nlp))
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert found[0] == found[1]


def test_all_pieces_are_learned_for_themselves(get_encoder):
    nlp = initialize(make_pieces_nlp(get_encoder(), "first", dropout=0.0, label_all_pieces=True))
    pipe = nlp.get_pipe("bert_ner")
    examples = [eg for eg in make_examples(nlp) if len(eg.predicted)]
    assert pipe.tags == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    tags = [
        [["B-PER"], ["O"], ["O"], ["B-LOC"]],
        [["O"], ["O"], ["O"], ["O"], ["B-LOC"], ["O"]],
        [["O"], ["O"]],
    ]
    for eg in examples:
        nlp.get_pipe("transformer").set_annotations(
            [eg.predicted], nlp.get_pipe("transformer").predict([eg.predicted])
        )
    lengths = [eg.predicted._.trf_data.lengths.tolist() for eg in examples]
    assert max(map(max, lengths)) > 1
    gold = [
        pipe.tags.index(tag if i == 0 else tag.replace("B-", "I-"))
        for doc_tags, doc_lengths in zip(tags, lengths, strict=True)
        for (tag,), n in zip(doc_tags, doc_lengths, strict=True)
        for i in range(n)
    ]
    layer = pipe.model.get_ref("tag_scores").shims[0]._model
    rows = np.concatenate([eg.predicted._.trf_data.X for eg in examples])
    X = torch.tensor(rows, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(layer(X), torch.tensor(gold))
    scores = [
        Ragged(layer(torch.tensor(eg.predicted._.trf_data.X)).detach().numpy(), np.asarray(n))
        for eg, n in zip(examples, lengths, strict=True)
    ]
    loss, d_scores = pipe.get_loss(examples, scores)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert [d.lengths.tolist() for d in d_scores] == lengths
    expected.backward()
    gradient = np.concatenate([d.data for d in d_scores]) @ layer[0].weight.detach().numpy()
    np.testing.assert_allclose(gradient, X.grad, atol=1e-6)
    # What is trained is this loss.
    losses = [nlp.update(examples, sgd=Adam(0.001))["bert_ner"] for _ in range(2)]
    assert losses[0] == pytest.approx(loss, rel=1e-5)
    assert losses[1] < losses[0]


@pytest.mark.parametrize("scheme", HEAD_SCHEMES)
def test_an_entity_goes_on_inside_a_word_with_i(scheme):
    tag_set = build_tag_set(["A", "B"], scheme=scheme)
    going_on = [tag_set.tags[i] for i in find_tags_going_on(tag_set)]
    for tag, inner in zip(tag_set.tags, going_on, strict=True):
        assert inner == (f"I-{tag[2:]}" if tag[0] in "BUS" else tag)


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
    with pytest.raises(ValueError, match=r"one vector per token, but found one per piece.*PieceL"):
        make_nlp(get_encoder(), pooling="pieces")
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder())})
    nlp.add_pipe("bert_ner", config={"model": CLASSIFIER})
    with pytest.raises(
        ValueError, match=r"one vector per piece, but found one per token.*TransformerL"
    ):
        nlp.initialize(lambda: make_examples(nlp))
        nlp.update(make_examples(nlp))
    with pytest.raises(ValueError, match="Aggregation 'last', expected one of first, average, max"):
        nlp.add_pipe(
            "bert_ner", name="other", config={"model": {**CLASSIFIER, "aggregation": "last"}}
        )
