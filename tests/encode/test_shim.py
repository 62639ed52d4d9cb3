"""Training, precision, freezing, copies and saved bytes of the encoder."""

import copy
import pickle

import numpy as np
import pytest
import torch
from support.checkpoints import KINDS
from support.encoders import LONG, WIDTH, build, cut_alone, make_docs, predict, read
from support.updates import DOCS, get_gradients, update
from thinc.api import Adam, PyTorchShim

from spacy_bert_ner.encode.transformer import build_transformer_model_v1, get_shim
from spacy_bert_ner.optimize.optimizers import make_adamw_v1


def compute_gradients_alone(folder, dX):
    """Gradients of Hugging Face's own model, doc by doc, from first pieces."""
    checkpoint = read(folder)
    start = 0
    for doc in DOCS:
        pieces = cut_alone(checkpoint, doc)
        flat = [piece for ids in pieces for piece in ids]
        ends = np.cumsum([len(ids) for ids in pieces])
        rows = [i for i, ids in enumerate(pieces) if ids]
        firsts = [ends[i] - len(pieces[i]) + len(checkpoint.cutter.prefix) for i in rows]
        if flat:
            ids = torch.tensor([[*checkpoint.cutter.prefix, *flat, *checkpoint.cutter.suffix]])
            X = checkpoint.model(input_ids=ids).last_hidden_state[0, firsts]
            X.backward(torch.tensor(dX[[start + i for i in rows]]))
        start += len(doc)
    return {n: p.grad.numpy() for n, p in checkpoint.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_hugging_face_s(get_encoder, kind):
    model = build(get_encoder(kind), dropout=0.0, batch_pieces=20)
    _, dX = update(model)
    expected = compute_gradients_alone(get_encoder(kind), dX)
    gradients = get_gradients(model)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        scale = max(1.0, np.abs(expected[name]).max())
        np.testing.assert_allclose(gradient / scale, expected[name] / scale, atol=1e-5)


def test_gradients_accumulate_until_the_update(get_encoder):
    model = build(get_encoder(), dropout=0.0)
    update(model)
    once = get_gradients(model)
    update(model)
    for name, gradient in get_gradients(model).items():
        np.testing.assert_allclose(gradient, 2 * once[name], rtol=1e-4, atol=1e-6)


def test_optimizer_sees_each_weight_by_its_hugging_face_name(get_encoder):
    model = build(get_encoder())
    shim = get_shim(model)
    seen = {}

    def optimizer(key, weights, gradient):
        seen[key] = weights.shape
        return weights - 0.1 * gradient, gradient

    update(model)
    model.finish_update(optimizer)
    names = {name: tuple(p.shape) for name, p in shim._model.named_parameters()}
    assert seen == {(shim.id, name): shape for name, shape in names.items()}
    assert not any(gradient.any() for gradient in get_gradients(model).values())


def test_our_optimizer_takes_the_gradients_as_they_are(get_encoder):
    def finish(model, give):
        update(model)
        optimizer = make_adamw_v1(0.1, grad_clip=0.0)
        give(get_shim(model), optimizer)
        optimizer.step_schedules()
        return [p.detach().clone() for p in get_shim(model)._model.parameters()]

    def give_arrays(shim, optimizer):
        PyTorchShim.finish_update(shim, optimizer)

    def give_parameters(shim, optimizer):
        shim.finish_update(optimizer)
        assert all(p.grad is None for p in shim._model.parameters())

    first, second = build(get_encoder(), dropout=0.0), build(get_encoder(), dropout=0.0)
    before = [p.detach().clone() for p in get_shim(first)._model.parameters()]
    expected = finish(first, give_arrays)
    stepped = finish(second, give_parameters)
    assert not any(torch.equal(X, Y) for X, Y in zip(before, stepped, strict=True))
    assert all(torch.equal(X, Y) for X, Y in zip(expected, stepped, strict=True))


@pytest.mark.parametrize("compute_dtype", ["float32", "bfloat16"])
def test_predictions_follow_updates(get_encoder, compute_dtype):
    model = build(get_encoder(), compute_dtype=compute_dtype)
    before = predict(model, DOCS)[0]
    update(model)
    np.testing.assert_array_equal(predict(model, DOCS)[0], before)
    model.finish_update(Adam(0.1))
    assert not np.allclose(predict(model, DOCS)[0], before, atol=1e-2)


def test_docs_without_pieces_can_be_trained_on(get_encoder):
    X, _ = update(build(get_encoder()), make_docs(" ", ""))
    assert X.shape == (1, WIDTH)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_reaches_the_layers(get_encoder, kind):
    def run_twice(**options):
        model = build(get_encoder(kind), **options)
        return [model.begin_update(DOCS)[0].X for _ in range(2)]

    assert np.array_equal(*run_twice(dropout=0.0))
    small, large = (np.abs(np.subtract(*run_twice(dropout=p))).mean() for p in (0.05, 0.5))
    assert 0 < small < large
    # the checkpoint's own rate is 0.1
    assert not np.array_equal(*run_twice())
    model = build(get_encoder(kind), dropout=0.3)
    modules = get_shim(model)._model.modules()
    assert {m.p for m in modules if isinstance(m, torch.nn.Dropout)} == {0.3}
    # of the attention weights alone, also for a model that was saved
    assert not np.array_equal(*run_twice(dropout=0.0, attention_dropout=0.5))
    model = build(get_encoder(kind), attention_dropout=0.4)
    loaded = build(get_encoder(kind), attention_dropout=0.4).from_bytes(model.to_bytes())
    for rated in (model, loaded):
        modules = get_shim(rated)._model.modules()
        assert {m.p for m in modules if isinstance(m, torch.nn.Dropout)} == {0.1, 0.4}


def test_prediction_has_no_dropout_and_changes_no_mode(get_encoder):
    model = build(get_encoder(), dropout=0.5)
    modules = list(get_shim(model)._model.modules())
    X = predict(model, DOCS)[0]
    model.begin_update(DOCS)
    assert not any(module.training for module in modules)
    np.testing.assert_array_equal(predict(model, DOCS)[0], X)


def test_gradient_checkpointing_computes_twice_and_the_same(get_encoder):
    def run(**options):
        model = build(get_encoder(), dropout=0.2, **options)
        calls = []
        layer = get_shim(model)._model.encoder.layer[0].attention
        layer.register_forward_hook(lambda *args: calls.append(1))
        torch.manual_seed(0)
        update(model)
        return len(calls), get_gradients(model)

    n_plain, plain = run()
    n_twice, twice = run(gradient_checkpointing=True)
    assert n_twice == 2 * n_plain
    for name, gradient in twice.items():
        np.testing.assert_allclose(gradient, plain[name], atol=1e-4)


def test_bfloat16_is_close_and_its_copy_is_made_once(get_encoder, monkeypatch):
    docs = make_docs("Alex lives in London, and no one is in Paris.", LONG)
    exact = np.concatenate(predict(build(get_encoder()), docs))
    model = build(get_encoder(), compute_dtype="bfloat16")
    X = np.concatenate(predict(model, docs))
    norms = np.linalg.norm(X, axis=1) * np.linalg.norm(exact, axis=1)
    assert ((X * exact).sum(axis=1) / norms).min() >= 0.999
    assert not np.array_equal(X, exact)
    assert X.dtype == "float32"
    made = get_shim(model)._low_model
    predict(model, docs)
    assert get_shim(model)._low_model is made
    assert {p.dtype for p in get_shim(model)._model.parameters()} == {torch.float32}


def test_bfloat16_training_keeps_float32_weights(get_encoder):
    exact = build(get_encoder(), dropout=0.0)
    model = build(get_encoder(), dropout=0.0, compute_dtype="bfloat16")
    update(exact)
    update(model)
    gradients = [
        np.concatenate([g.ravel() for g in get_gradients(m).values()]) for m in (exact, model)
    ]
    cosine = np.dot(*gradients) / np.prod([np.linalg.norm(g) for g in gradients])
    assert cosine > 0.999
    assert not np.array_equal(*gradients)
    assert {p.grad.dtype for p in get_shim(model)._model.parameters()} == {torch.float32}


def test_float16_predicts_on_a_processor_and_trains_in_float32_there(get_encoder):
    exact = build(get_encoder(), dropout=0.0)
    model = build(get_encoder(), dropout=0.0, compute_dtype="float16")
    X, Y = predict(model, DOCS)[0], predict(exact, DOCS)[0]
    assert not np.array_equal(X, Y)
    np.testing.assert_allclose(X, Y, atol=0.05)
    np.testing.assert_array_equal(update(model)[0], update(exact)[0])


def test_averaged_weights_are_used_for_a_while(get_encoder):
    model = build(get_encoder(), compute_dtype="bfloat16")
    shim = get_shim(model)
    before = predict(model, DOCS)[0]
    name, weights = next(iter(shim._model.named_parameters()))
    averages = {(shim.id, name): np.zeros(weights.shape, "f"), (shim.id + 1, name): None}
    with pytest.raises(KeyError), model.use_params(averages):
        assert not np.allclose(predict(model, DOCS)[0], before, atol=1e-2)
        raise KeyError
    np.testing.assert_array_equal(predict(model, DOCS)[0], before)


def test_bytes_need_no_folder(get_encoder, tmp_path):
    model = build(get_encoder())
    loaded = build_transformer_model_v1(name=str(tmp_path / "gone"), compute_dtype="float32")
    loaded.from_bytes(model.to_bytes())
    assert loaded.get_dim("nO") == WIDTH
    for X, Y in zip(predict(loaded, DOCS), predict(model, DOCS), strict=True):
        np.testing.assert_array_equal(X, Y)
    assert loaded.to_bytes() == model.to_bytes()


def test_a_model_without_weights_has_bytes_too(get_encoder):
    empty = build_transformer_model_v1(name=str(get_encoder()))
    loaded = build_transformer_model_v1(name=str(get_encoder())).from_bytes(empty.to_bytes())
    assert get_shim(loaded).checkpoint is None


def test_initialising_twice_keeps_the_weights(get_encoder):
    model = build(get_encoder())
    update(model)
    model.finish_update(Adam(0.1))
    trained = predict(model, DOCS)[0]
    model.initialize()
    np.testing.assert_array_equal(predict(model, DOCS)[0], trained)


@pytest.mark.parametrize(
    "make", [copy.deepcopy, lambda m: m.copy(), lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_give_the_same_and_learn_on_their_own(get_encoder, make):
    model = build(get_encoder())
    before = predict(model, DOCS)[0]
    copied = make(model)
    np.testing.assert_array_equal(predict(copied, DOCS)[0], before)
    update(copied)
    copied.finish_update(Adam(0.1))
    assert not np.allclose(predict(copied, DOCS)[0], before, atol=1e-2)
    np.testing.assert_array_equal(predict(model, DOCS)[0], before)


def test_a_copy_is_another_one_for_the_optimizer(get_encoder):
    model = build(get_encoder())
    assert get_shim(model.copy()).id != get_shim(model).id


def test_trained_pooling_is_kept(get_encoder):
    data = build(get_encoder(), pooling="mean").to_bytes()
    other = build_transformer_model_v1(name="", pooling="first")
    with pytest.raises(ValueError, match=r'trained with `pooling = "mean"`.* config.cfg to "mean"'):
        other.from_bytes(data)
