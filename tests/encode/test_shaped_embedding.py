"""The shapes of words in the encoder: what they add, how they learn, how they are kept."""

import copy
import pickle
import shutil

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from support.checkpoints import KINDS
from support.encoders import LONG, NLP, build, cut_alone, make_docs, predict, read
from support.listening import make_nlp
from support.updates import get_gradients, update
from thinc.api import Adam
from transformers import AutoTokenizer

from spacy_bert_ner.encode.shaped_embedding import ShapedEmbedding, add_shapes
from spacy_bert_ner.encode.transformer import build_transformer_model_v1, get_shim
from spacy_bert_ner.package.half import halve_bytes
from spacy_bert_ner.pieces.shapes import TABLE, find_shape

# "\u200b" has no pieces in most tokenizers: it is read as the unknown one.
DOCS = make_docs("Alex lives in London, and no ONE is in Paris.", "", "I\u200b 2 U.S. \n 90s", "x")


def get_table(model):
    return get_shim(model)._model.get_input_embeddings().word_shapes


def build_shaped(folder, **options):
    """An encoder whose table of shapes is as if trained."""
    model = build(folder, shapes=True, **options)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        get_table(model).weight[1:].normal_(std=0.3, generator=generator)
    return model


def encode_alone(checkpoint, table, doc):
    """What Hugging Face's own model gives for the sums of the two vectors of each piece."""
    pieces, cutter, plain = cut_alone(checkpoint, doc), checkpoint.cutter, checkpoint.model
    flat = [piece for ids in pieces for piece in ids]
    shapes = [find_shape(doc[i].text) for i, ids in enumerate(pieces) for _ in ids]
    ids = torch.tensor([[*cutter.prefix, *flat, *cutter.suffix]])
    rows = torch.tensor([[*[0 for _ in cutter.prefix], *shapes, *[0 for _ in cutter.suffix]]])
    X = plain.get_input_embeddings()(ids) + table[rows]
    Y = plain(inputs_embeds=X).last_hidden_state[0]
    firsts = len(cutter.prefix) + np.cumsum([0, *(len(ids) for ids in pieces)])[:-1]
    return torch.stack([Y[firsts[i]] if ids else Y[0] * 0 for i, ids in enumerate(pieces)])


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_added_to_the_pieces_of_their_words(get_encoder, kind):
    model, checkpoint = build_shaped(get_encoder(kind)), read(get_encoder(kind))
    table = get_table(model).weight.detach()
    for doc, X in zip(DOCS, predict(model, DOCS), strict=True):
        if len(doc):
            expected = encode_alone(checkpoint, table, doc).detach().numpy()
            np.testing.assert_allclose(X, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_before_training_shapes_change_nothing(get_encoder, kind):
    docs = [*DOCS, *make_docs(LONG)]
    shaped = predict(build(get_encoder(kind), shapes=True), docs)
    for X, expected in zip(shaped, predict(build(get_encoder(kind)), docs), strict=True):
        np.testing.assert_allclose(X, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_those_of_the_sums(get_encoder, kind):
    model = build_shaped(get_encoder(kind), dropout=0.0, batch_pieces=20)
    _, dX = update(model, DOCS)
    checkpoint = read(get_encoder(kind))
    table = get_table(model).weight.detach().clone().requires_grad_()
    Y = torch.cat([encode_alone(checkpoint, table, doc) for doc in DOCS if len(doc)])
    Y.backward(torch.tensor(dX))
    expected = {name: p.grad for name, p in checkpoint.model.named_parameters()}
    gradients = get_gradients(model)
    (name,) = [name for name in gradients if name.endswith(TABLE)]
    # special pieces have shape 0, which stays zero
    assert not gradients[name][0].any()
    used = {find_shape(token.text) for doc in DOCS for token in doc if not token.is_space}
    assert set(np.flatnonzero(gradients[name].any(axis=1))) == used
    rows = sorted(used)
    np.testing.assert_allclose(gradients.pop(name)[rows], table.grad[rows], atol=1e-4)
    for name, gradient in gradients.items():
        scale = max(1.0, np.abs(gradient).max())
        np.testing.assert_allclose(gradient / scale, expected[name] / scale, atol=1e-5)


def test_only_the_rows_of_seen_shapes_leave_zero(get_encoder):
    model = build(get_encoder(), shapes=True)
    docs = make_docs("Alex lives", "London is")
    before = predict(model, docs)[0]
    update(model, docs)
    model.finish_update(Adam(0.1))
    moved = get_table(model).weight.detach().any(dim=1).nonzero()[:, 0].tolist()
    assert moved == sorted({find_shape(word) for word in ("Alex", "lives", "London", "is")})
    assert not np.allclose(predict(model, docs)[0], before, atol=1e-2)


def test_case_is_seen_by_an_encoder_of_lower_case(get_encoder):
    docs = [Doc(NLP.vocab, words=[first, "in"]) for first in ("LONDON", "London", "london")]
    plain = predict(build(get_encoder()), docs)
    assert np.array_equal(plain[0], plain[2])
    upper, title, lower = predict(build_shaped(get_encoder()), docs)
    # the word beside it reads it too
    assert (np.abs([upper - lower, upper - title, title - lower]).max(axis=2) > 1e-3).all()


def test_copies_and_pickles_read_the_same(get_encoder):
    model = build_shaped(get_encoder())
    expected = predict(model, DOCS)
    shim = get_shim(model)
    for copied in (copy.deepcopy(shim), shim.copy(), pickle.loads(pickle.dumps(shim))):
        model.shims[0] = copied
        for X, Y in zip(predict(model, DOCS), expected, strict=True):
            np.testing.assert_array_equal(X, Y)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_models_keep_their_shapes(get_encoder, kind):
    model = build_shaped(get_encoder(kind))
    data = model.to_bytes()
    loaded = build(get_encoder(kind), shapes=True).from_bytes(data)
    assert torch.equal(get_table(loaded).weight, get_table(model).weight)
    for X, expected in zip(predict(loaded, DOCS), predict(model, DOCS), strict=True):
        np.testing.assert_array_equal(X, expected)
    assert get_shim(loaded).to_bytes() == get_shim(model).to_bytes()


def test_half_precision_rounds_the_table_too(get_encoder):
    model = build_shaped(get_encoder())
    data, _ = halve_bytes(get_shim(model).to_bytes(), "model")
    expected = get_table(model).weight.detach().half().float()
    get_shim(model).from_bytes(data)
    assert torch.equal(get_table(model).weight, expected)


@pytest.mark.parametrize(("trained", "now"), [(True, "false"), (False, "true")])
def test_shapes_must_be_as_trained(get_encoder, trained, now):
    data = build(get_encoder(), shapes=trained).to_bytes()
    back = str(trained).lower()
    message = f"trained with `shapes = {back}`, but the config has `shapes = {now}`"
    with pytest.raises(ValueError, match=message):
        build(get_encoder(), shapes=not trained).from_bytes(data)


@pytest.mark.parametrize(
    ("freeze", "learns"), [("none", True), ("embeddings", True), ("1 layer", False), ("all", False)]
)
def test_shapes_learn_unless_layers_are_frozen(get_encoder, freeze, learns):
    trained = build_shaped(get_encoder()).to_bytes()
    model = build_transformer_model_v1(
        name="", compute_dtype="float32", shapes=True, freeze=freeze
    ).from_bytes(trained)
    update(model, DOCS)
    gradients = get_gradients(model)
    assert any(name.endswith(TABLE) for name in gradients) == learns
    assert any(name.endswith("word_embeddings.weight") for name in gradients) == (freeze == "none")


def test_bfloat16_reads_shapes(get_encoder):
    exact = np.concatenate([X for X in predict(build_shaped(get_encoder()), DOCS) if len(X)])
    model = build_shaped(get_encoder(), compute_dtype="bfloat16")
    X = np.concatenate([X for X in predict(model, DOCS) if len(X)])
    plain = build(get_encoder(), compute_dtype="bfloat16")
    without = np.concatenate([X for X in predict(plain, DOCS) if len(X)])
    is_near = np.linalg.norm(X - exact, axis=1) <= np.linalg.norm(without - exact, axis=1) / 3
    assert is_near[exact.any(axis=1)].all()
    update(model, DOCS)
    assert get_table(model).weight.grad.dtype == torch.float32


def test_a_pipeline_trains_saves_and_loads_with_shapes(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder(), n_steps=3, shapes=True)
    nlp.to_disk(tmp_path)
    loaded = type(nlp).from_config(nlp.config).from_disk(tmp_path)
    text = "Alex lives in LONDON"
    scores = [
        n.get_pipe("bert_ner").score_tags([n.get_pipe("transformer")(n.make_doc(text))])[1]
        for n in (nlp, loaded)
    ]
    np.testing.assert_array_equal(*scores)
    assert get_table(nlp.get_pipe("transformer").model).weight.any()


@pytest.mark.parametrize("freeze", ["1 layer", "all"])
def test_new_shapes_that_could_not_learn_are_refused(get_encoder, freeze):
    message = f'`shapes = true` with `freeze = "{freeze}"`.*would stay zero. Set'
    with pytest.raises(ValueError, match=message):
        build(get_encoder(), shapes=True, freeze=freeze)


def test_pieces_that_the_encoder_does_not_know_are_named(get_encoder, tmp_path):
    folder = shutil.copytree(get_encoder(), tmp_path / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zzq"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ValueError, match=r"'zzq' has the piece \d+, but the encoder knows \d+"):
        predict(build(folder, shapes=True), make_docs("in zzq"))


def test_embeddings_that_are_no_plain_table_are_refused(get_encoder):
    model = read(get_encoder()).model
    add_shapes(model)
    assert isinstance(model.get_input_embeddings(), ShapedEmbedding)
    with pytest.raises(ValueError, match=r"BertModel are ShapedEmbedding, expected a plain table"):
        add_shapes(model)
