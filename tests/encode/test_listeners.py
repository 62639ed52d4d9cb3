"""Components that use the token vectors: through listeners, or with their own encoder."""

import warnings

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy_transformers.data_classes import TransformerData
from support.listening import (
    HEADS,
    OURS,
    STOCK,
    TEXTS,
    annotate,
    make_examples,
    make_nlp,
    make_transformer,
    train,
)

from spacy_bert_ner.encode.listeners import PieceListener, TokenListener
from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.encode.vectors import TokenBatch, TokenVectors


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("listener", [OURS, STOCK], ids=["ours", "stock"])
def test_components_learn_through_either_listener(get_encoder, tmp_path, head, listener):
    nlp = make_nlp(get_encoder(), [head], listener, n_steps=0, dropout=0.0)
    before = get_shim(nlp.get_pipe("transformer").model).to_bytes()
    first, *_, last = train(nlp, 12)
    assert last[head] < 0.95 * first[head]
    assert get_shim(nlp.get_pipe("transformer").model).to_bytes() != before
    expected = annotate(nlp)
    nlp.to_disk(tmp_path)
    assert annotate(spacy.load(tmp_path)) == expected


def test_listeners_give_the_same(get_encoder):
    nlp = make_nlp(get_encoder(), ["tagger"], STOCK)
    docs = [nlp.make_doc(text) for text in TEXTS]
    for doc in nlp.get_pipe("transformer").pipe(iter(docs)):
        assert doc._.trf_data is not None
    ours = TokenListener("*")
    ours.set_dim("nO", 24)
    stock = nlp.get_pipe("tagger").model.get_ref("tok2vec")
    for X, Y in zip(ours.predict(docs), stock.predict(docs), strict=True):
        assert len(X) == len(Y)
        assert not len(X) or np.array_equal(X, Y)


def test_gradients_of_several_listeners_add_up(get_encoder):
    nlp = make_nlp(get_encoder(), ["tagger", "bert_ner"], n_steps=1, dropout=0.0)
    shim = get_shim(nlp.get_pipe("transformer").model)
    weights = shim._model.encoder.layer[0].output.dense.weight

    def get_gradient(*heads):
        weights.grad = None
        with nlp.select_pipes(enable=["transformer", *heads]):
            transformer = nlp.get_pipe("transformer")
            for head in ("tagger", "bert_ner"):
                if head not in heads:
                    transformer.listener_map.pop(head)
            nlp.update(make_examples(nlp), sgd=False)
        for _, pipe in nlp.pipeline:
            nlp.get_pipe("transformer").find_listeners(pipe)
        return weights.grad.clone()

    both = get_gradient("tagger", "bert_ner")
    apart = get_gradient("tagger") + get_gradient("bert_ner")
    np.testing.assert_allclose(both, apart, atol=1e-5)


def test_batch_of_other_docs_is_refused(get_encoder):
    nlp = make_nlp(get_encoder(), n_steps=1)
    listener = nlp.get_pipe("transformer").listeners[0]
    nlp.get_pipe("transformer").update(make_examples(nlp))
    with pytest.raises(ValueError, match="Mismatched IDs"):
        listener.begin_update([nlp.make_doc("other words")])


def test_frozen_transformer_that_has_not_annotated_is_an_error(get_encoder):
    nlp = make_nlp(get_encoder(), n_steps=1)
    listener = nlp.get_pipe("transformer").listeners[0]
    with pytest.raises(ValueError, match="E203"):
        listener.begin_update([nlp.make_doc("words")])


def test_our_listener_refuses_another_transformer_s_output():
    listener = TokenListener("*")
    listener.set_dim("nO", 24)
    doc = spacy.blank("en")("one two")
    doc._.trf_data = TransformerData.zeros(2, 24)
    doc._.trf_data.wordpieces.strings = [["one", "two"]]
    with pytest.raises(ValueError, match="found the output of another transformer model"):
        listener.predict([doc])


def test_vectors_survive_the_way_through_bytes():
    doc = spacy.blank("en")("one two")
    X = np.arange(6, dtype="f").reshape(2, 3)
    doc._.trf_data = TokenVectors(X)
    data = Doc(doc.vocab).from_bytes(doc.to_bytes())._.trf_data
    np.testing.assert_array_equal(data.tensors[0], X[None])
    assert data.align.lengths.tolist() == [1, 1]
    assert data.align.dataXd.ravel().tolist() == [0, 1]
    assert (doc._.trf_data.width, doc._.trf_data.wordpieces.lengths) == (3, [2])


@pytest.mark.parametrize("pooling", ["first", "pieces"])
def test_vectors_of_stored_docs_are_read(get_encoder, pooling):
    nlp = make_nlp(get_encoder(), n_steps=0, heads=[], pooling=pooling)
    docs = [nlp.make_doc(text) for text in TEXTS]
    stored = DocBin(docs=nlp.get_pipe("transformer").pipe(docs), store_user_data=True)
    listener = {"first": TokenListener, "pieces": PieceListener}[pooling]("*")
    listener.set_dim("nO", 24)
    for X, Y in zip(
        listener.predict(list(stored.get_docs(nlp.vocab))), listener.predict(docs), strict=True
    ):
        np.testing.assert_array_equal(getattr(X, "dataXd", X), getattr(Y, "dataXd", Y))
        assert pooling == "first" or np.array_equal(X.lengths, Y.lengths)


def test_unsplit_is_the_inverse_of_doc_data():
    X = np.arange(12, dtype="f").reshape(4, 3)
    batch = TokenBatch(X, [1, 0, 3])
    arrays = [list(data.tensors) for data in batch.doc_data if data.tensors]
    np.testing.assert_array_equal(batch.unsplit_by_doc(arrays).X, X)
    np.testing.assert_array_equal(batch.model_output.last_hidden_state, X[None])


@pytest.mark.parametrize("head", HEADS)
def test_transformer_inside_a_component(get_encoder, tmp_path, head):
    nlp = spacy.blank("en")
    tok2vec = {
        "@architectures": "spacy-bert-ner.Tok2VecTransformer.v1",
        "transformer": make_transformer(get_encoder(), dropout=0.0),
    }
    nlp.add_pipe(head, config={"model": {**HEADS[head]["model"], "tok2vec": tok2vec}})
    first, *_, last = train(nlp, 12)
    assert last[head] < 0.95 * first[head]
    expected = annotate(nlp)
    nlp.to_disk(tmp_path)
    assert annotate(spacy.load(tmp_path)) == expected


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("listener", [OURS, STOCK], ids=["ours", "stock"])
def test_listeners_can_be_replaced(get_encoder, tmp_path, head, listener):
    nlp = make_nlp(get_encoder(), [head], listener)
    expected = annotate(nlp)
    nlp.replace_listeners("transformer", head, ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert annotate(nlp) == expected
    nlp.to_disk(tmp_path)
    assert annotate(spacy.load(tmp_path)) == expected


def test_bert_ner_works_on_the_stock_transformer(get_encoder, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": {"name": str(get_encoder())}})
    nlp.add_pipe("bert_ner", config={"model": {**HEADS["bert_ner"]["model"], "tok2vec": STOCK}})
    train(nlp, 5)
    expected = annotate(nlp, TEXTS[:4])
    nlp.to_disk(tmp_path)
    assert annotate(spacy.load(tmp_path), TEXTS[:4]) == expected


def test_weights_of_the_stock_architecture_are_refused_with_the_reason(get_encoder, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": {"name": str(get_encoder())}})
    nlp.initialize()
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["transformer"]["model"] = make_transformer("x")
    config.to_disk(tmp_path / "config.cfg")
    with pytest.raises(ValueError, match=r"trained with another architecture.*TransformerModel.v3"):
        spacy.load(tmp_path)


def test_saved_pipeline_needs_no_encoder_folder(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder())
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["transformer"]["model"]["name"] = str(tmp_path / "gone")
    config.to_disk(tmp_path / "config.cfg")
    assert annotate(spacy.load(tmp_path)) == annotate(nlp)


def test_settings_of_computing_can_be_changed_when_loading(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder())
    nlp.to_disk(tmp_path)
    settings = {"components.transformer.model.batch_pieces": 50}
    loaded = spacy.load(tmp_path, config=settings)
    assert get_shim(loaded.get_pipe("transformer").model).settings.batch_pieces == 50


@pytest.mark.parametrize("listener", [OURS, STOCK], ids=["ours", "stock"])
def test_a_doc_without_vectors_cannot_be_looked_at(get_encoder, listener):
    nlp = make_nlp(get_encoder(), listener=listener)
    pipe = nlp.get_pipe("bert_ner")
    for ask in (pipe.predict_tag_probs, pipe.predict_readings):
        with pytest.raises(ValueError, match="no transformer vectors, which 'bert_ner'"):
            ask(nlp("Iraq began"))
        assert len(ask(nlp.make_doc(""))) < 2
    # Without its vectors, a component would find something at random.
    with nlp.select_pipes(disable=["transformer"]):
        with pytest.raises(ValueError, match="enable or add it"):
            nlp("Iraq began")
        assert [len(doc) for doc in nlp.pipe(["", " "])] == [0, 1]
    with nlp.select_pipes(disable=["bert_ner", "doc_cleaner"]):
        doc = nlp("Iraq began")
    probs = pipe.predict_tag_probs(doc)
    np.testing.assert_array_equal(pipe.predict_tag_probs(pipe(doc)), probs)


@pytest.mark.parametrize("upstream", ["*", "transformer"])
def test_a_transformer_that_is_not_there_is_named(get_encoder, upstream):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert_ner", config={"model": {"tok2vec": {**OURS, "upstream": upstream}}})
    with pytest.raises(ValueError, match=r"'bert_ner' reads the vectors of a transformer.*Add"):
        nlp.initialize(lambda: make_examples(nlp))
    # Behind the component, it is of no use.
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder())})
    with pytest.raises(ValueError, match=r"none comes before it .*\['bert_ner', 'transformer'\]"):
        nlp.initialize(lambda: make_examples(nlp))


@pytest.mark.parametrize("listener", [OURS, STOCK])
@pytest.mark.parametrize(("upstream", "linked"), [("*", "'t1' and 't2'"), ("t1", "'t1'")])
def test_a_transformer_in_between_is_refused(get_encoder, listener, upstream, linked):
    def make(upstream):
        nlp = spacy.blank("en")
        for name in ("t1", "t2"):
            model = make_transformer(get_encoder())
            nlp.add_pipe("transformer", name=name, config={"model": model})
        model = {**HEADS["bert_ner"]["model"], "tok2vec": {**listener, "upstream": upstream}}
        nlp.add_pipe("bert_ner", name="ner", config={"model": model})
        nlp.initialize(lambda: make_examples(nlp))
        return nlp

    with pytest.raises(ValueError, match=rf"'ner' listens to {linked}, but .*`upstream = \"t2\"`"):
        make(upstream)
    assert make("t2").update(make_examples(make("t2")))["t2"] > 0


@pytest.mark.parametrize("listener", [OURS, STOCK], ids=["ours", "stock"])
def test_vectors_that_are_replaced_unread_are_warned_of(get_encoder, listener):
    parts = [make_nlp(get_encoder(kind), listener=listener) for kind in ("bert", "roberta")]

    def join(*names):
        nlp = spacy.blank("en")
        for name in names:
            kind = "transformer" if name[0] == "t" else "bert_ner"
            nlp.add_pipe(kind, name=name, source=parts[int(name[1])])
        return [nlp("  "), *nlp.pipe(["Alex lives in London", "", "  "])]

    message = "another transformer are replaced in 1 of [123] docs, and no component has read"
    for names in (("t0", "t1", "n0", "n1"), ("t0", "t1", "n1")):
        with pytest.warns(UserWarning, match=message):
            join(*names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        join("t0", "n0", "t1", "n1")


@pytest.mark.parametrize("merge", [True, False])
def test_docs_with_other_tokens_than_the_transformer_read_are_refused(get_encoder, merge):
    nlp = make_nlp(get_encoder())
    docs = list(nlp.get_pipe("transformer").pipe(map(nlp.make_doc, ["the network", "no one"])))
    with docs[1].retokenize() as retokenizer:
        if merge:
            retokenizer.merge(docs[1][:])
        else:
            retokenizer.split(docs[1][0], ["n", "o"], heads=[docs[1][1], docs[1][1]])
    message = "other tokens in 1 of 2 docs than .* 'no one'. A component between"
    with pytest.raises(ValueError, match=message):
        nlp.get_pipe("bert_ner").predict(docs)


@pytest.mark.parametrize("listener", [OURS, STOCK])
def test_a_frozen_transformer_without_weights_is_refused(get_encoder, listener):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder())})
    model = {**HEADS["bert_ner"]["model"], "tok2vec": listener}
    nlp.add_pipe("bert_ner", name="ner", config={"model": model})
    # What `spacy train` does with `frozen_components`
    message = r"'transformer', whose vectors 'ner' reads, has no weights yet.*`freeze = \"all\"`"
    with nlp.select_pipes(disable=["transformer"]), pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: make_examples(nlp))


def test_a_disabled_transformer_is_there(get_encoder):
    nlp = make_nlp(get_encoder())
    with nlp.select_pipes(disable=["transformer"]):
        nlp.get_pipe("bert_ner").initialize(lambda: make_examples(nlp), nlp=nlp)
