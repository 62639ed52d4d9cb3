"""The encoder by ONNX Runtime: torch's vectors, side by side, copied and in other processes."""

import copy
import pickle
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.checkpoints import KINDS
from support.encoders import LONG, TEXTS, build, make_docs, predict
from support.listening import make_nlp
from support.updates import update

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from spacy_bert_ner.encode.onnx_encoder import start_session
from spacy_bert_ner.encode.transformer import build_transformer_model_v1, get_shim
from spacy_bert_ner.package.onnx_graph import export_encoder

DOCS = make_docs(*TEXTS, LONG, *(" ".join(["Alex lives in Paris."] * n) for n in range(1, 12)))


def swap_engine(torch_model, **options):
    """The same model on ONNX Runtime, in float32."""
    model = build_transformer_model_v1(name="", engine="onnx", **options)
    checkpoint = get_shim(torch_model).require()[0]
    get_shim(model).load(replace(checkpoint, model=export_encoder(checkpoint)))
    return model


@pytest.fixture(scope="module")
def pair(get_encoder):
    """A model on torch and on ONNX Runtime; small parts, so that a batch has many."""
    torch_model = build(get_encoder(), batch_pieces=40)
    return torch_model, swap_engine(torch_model, batch_pieces=40, threads=2)


SHAPED = {"pooling": "mean", "shapes": True, "window": 20}
QUICK = [("bert", SHAPED), ("roberta", {})]
SLOW = [(kind, options) for kind in KINDS for options in ({}, SHAPED)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW if one not in QUICK)],
)
def test_vectors_are_those_of_torch(get_encoder, kind, options):
    torch_model = build(get_encoder(kind), batch_pieces=40, **options)
    if "shapes" in options:
        table = get_shim(torch_model)._model.get_input_embeddings().word_shapes
        torch.nn.init.normal_(table.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    model = swap_engine(torch_model, batch_pieces=40, **options)
    for X, expected in zip(predict(model, DOCS), predict(torch_model, DOCS), strict=True):
        np.testing.assert_allclose(X, expected, atol=1e-4)


def test_same_vectors_for_any_threads_callers_and_copies(pair):
    model = pair[1]
    expected = model.predict(DOCS).X
    assert expected.any()
    loaded = build_transformer_model_v1(name="", engine="onnx", threads=4, batch_pieces=40)
    loaded.from_bytes(model.to_bytes())
    unpickled = copy.deepcopy(model)
    unpickled.shims[0] = pickle.loads(pickle.dumps(get_shim(model)))
    found = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(one.predict(DOCS).X))
        for one in [model] * 8 + [loaded, unpickled]
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 10
    for X in found:
        np.testing.assert_array_equal(X, expected)


@pytest.mark.slow
def test_processes_find_the_same(get_encoder):
    nlp = make_nlp(get_encoder(), n_steps=9, batch_pieces=40)
    pipe = nlp.get_pipe("transformer")
    pipe.model = swap_engine(pipe.model, batch_pieces=40, compute_dtype="float32")
    texts = [doc.text for doc in DOCS]
    found = [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts)]
    assert any(found)
    apart = [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts, n_process=2, batch_size=4)]
    assert apart == found


def test_training_is_refused_but_not_that_of_other_components(pair):
    with pytest.raises(ValueError, match=r'`engine = "onnx"` is for prediction: .* quantize'):
        update(pair[1])
    frozen = build_transformer_model_v1(name="", engine="onnx", freeze="all", batch_pieces=40)
    frozen.from_bytes(pair[1].to_bytes())
    Y, _ = frozen.begin_update(DOCS)
    np.testing.assert_array_equal(Y.X, pair[1].predict(DOCS).X)


def test_the_engine_must_be_that_of_the_weights(get_encoder, pair):
    with pytest.raises(ValueError, match="cannot start from an encoder in Hugging Face layout"):
        build(get_encoder(), engine="onnx")
    with pytest.raises(
        ValueError, match='`engine = "onnx"`, but the config has `engine = "torch"`'
    ):
        build_transformer_model_v1(name="").from_bytes(pair[1].to_bytes())
    with pytest.raises(
        ValueError, match='`engine = "torch"`, but the config has `engine = "onnx"`'
    ):
        build_transformer_model_v1(name="", engine="onnx").from_bytes(pair[0].to_bytes())
    with pytest.raises(ValueError, match="trained with `shapes = false`, but"):
        build_transformer_model_v1(name="", engine="onnx", shapes=True).from_bytes(
            pair[1].to_bytes()
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "tensorrt"}, '`engine = "tensorrt"`, expected one of: torch, onnx'),
        ({"engine": "onnx", "compute_dtype": "bfloat16"}, 'Set `compute_dtype = "auto"`'),
        ({"engine": "onnx", "gradient_checkpointing": True}, "`gradient_checkpointing = false`"),
        ({"engine": "onnx", "freeze": "2 layers"}, 'Set `freeze = "none"`'),
    ],
)
def test_settings_that_do_not_fit_the_engine(options, message):
    with pytest.raises(ValueError, match=message):
        build_transformer_model_v1(name="", **options)


def test_a_missing_runtime_and_a_broken_graph_are_explained(pair, monkeypatch):
    data = pair[1].to_bytes()
    with pytest.raises(ValueError, match=r"cannot read the encoder's graph .* Install a newer"):
        start_session(torch.zeros(50, dtype=torch.uint8))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"not installed .* pip install .*onnxruntime>="):
        build_transformer_model_v1(name="", engine="onnx").from_bytes(data)


def test_a_graph_that_refers_to_another_file_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
    tensor.external_data.add(key="location", value="weights.bin")
    values = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in "xy"]
    add = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([add], "g", values[:1], values[1:], [tensor])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    data = torch.frombuffer(bytearray(model.SerializeToString()), dtype=torch.uint8)
    with pytest.raises(ValueError, match="cannot read the encoder's graph"):
        start_session(data)


class _Short:
    """A session that has memory for one window only."""

    def __init__(self, session):
        self.session, self.n_rows = session, []

    def run(self, names, feed):
        self.n_rows.append(len(feed["ids"]))
        if len(feed["ids"]) > 1:
            raise KeyError("Failed to allocate memory for requested buffer of size 9")
        return self.session.run(names, feed)


def test_parts_are_halved_when_memory_is_short(pair):
    torch_model, model = pair[0], copy.deepcopy(pair[1])
    encoder = get_shim(model)._model
    session = encoder._session = _Short(encoder._session)
    np.testing.assert_allclose(model.predict(DOCS).X, torch_model.predict(DOCS).X, atol=1e-4)
    assert max(session.n_rows) > 1
