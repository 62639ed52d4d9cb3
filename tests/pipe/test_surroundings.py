"""What the application around a pipeline has set: precision, devices, modes, threads, processes."""

import asyncio
import contextlib
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy
import torch
from support.listening import TEXTS, annotate, make_examples, make_nlp
from thinc.api import Adam


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def nlp(get_encoder, request):
    """A pipeline that finds something; tests must not change it."""
    return make_nlp(get_encoder(), n_steps=8, compute_dtype=request.param)


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SURROUNDINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "device": lambda: torch.device("meta"),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "enable_grad": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_same_entities_whatever_torch_is_set_to(nlp, name):
    expected = annotate(nlp)
    assert any(iob == "B" for doc in expected for _, iob, _, _ in doc)
    data = nlp.to_bytes()
    with SURROUNDINGS[name]():
        assert annotate(nlp) == expected
        if name != "device":  # thinc makes its tensors there, and "meta" holds no data
            loaded = spacy.util.load_model_from_config(nlp.config).from_bytes(data)
            assert annotate(loaded) == expected
    assert annotate(nlp) == expected


@pytest.mark.parametrize("name", ["float64", "device", "inference_mode", "no_grad", "autocast"])
def test_learning_goes_on_whatever_torch_is_set_to(get_encoder, name):
    pipeline = make_nlp(get_encoder(), ["tagger", "bert_ner"], n_steps=1)
    data = pipeline.to_bytes()
    with SURROUNDINGS[name]():
        if name != "device":
            pipeline = spacy.util.load_model_from_config(pipeline.config).from_bytes(data)
        pipeline.update(make_examples(pipeline), sgd=Adam(0.01))
    encoder = pipeline.get_pipe("transformer").model
    shims = [encoder.shims[0], pipeline.get_pipe("bert_ner").model.get_ref("tag_scores").shims[0]]
    weights = [p for shim in shims for p in shim._model.parameters()]
    before = [p.detach().clone() for p in weights]
    pipeline.update(make_examples(pipeline), sgd=Adam(0.01))
    assert not any(map(torch.equal, weights, before))


def test_same_entities_from_threads_of_asyncio(nlp):
    async def annotate_all():
        calls = [asyncio.to_thread(annotate, nlp, [text]) for text in TEXTS * 4]
        return [doc for (doc,) in await asyncio.gather(*calls)]

    assert asyncio.run(annotate_all()) == annotate(nlp, TEXTS * 4)


def test_pipelines_are_loaded_by_several_threads_at_once(nlp):
    data, register = nlp.to_bytes(), torch.nn.Module.register_parameter

    def load():
        return annotate(spacy.util.load_model_from_config(nlp.config).from_bytes(data))

    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(load) for _ in range(4)]]
    assert found == [annotate(nlp)] * 4
    # transformers patches this while it reads weights
    assert torch.nn.Module.register_parameter is register


CODE = """
import pickle, sys, torch
before = torch.get_num_threads()
nlp = pickle.load(open(sys.argv[1], "rb"))
print([[ent.text for ent in doc.ents] for doc in nlp.pipe(["Alex lives in London"])])
print(torch.get_num_threads() == before)
"""


@pytest.mark.parametrize("nlp", ["bfloat16"], indirect=True)
def test_a_pickled_pipeline_works_in_a_fresh_process_with_all_threads(nlp, tmp_path):
    (tmp_path / "nlp.pkl").write_bytes(pickle.dumps(nlp))
    command = [sys.executable, "-c", "import os; os.environ['OMP_NUM_THREADS'] = '2'\n" + CODE]
    found = subprocess.run(
        [*command, str(tmp_path / "nlp.pkl")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    expected = [[ent.text for ent in nlp("Alex lives in London").ents]]
    assert found.stdout.splitlines() == [str(expected), "True"]
