"""Too little memory: what is tried again, and what the error says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import thinc.util
import torch
from support.encoders import LONG, build, make_docs, predict
from support.updates import update

from spacy_bert_ner.encode.memory import explained_memory, is_out_of_memory, run_in_halves
from spacy_bert_ner.encode.threads import count_threads
from spacy_bert_ner.encode.transformer import get_shim

ON_A_PROCESSOR = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 3221225472 bytes. Error code 12 (Cannot allocate memory)"
)


def make_tight(model, room, error):
    """Have the encoder fail where a call has more pieces than there is room for."""
    sizes = []

    def check(module, args, given):
        X = given["inputs_embeds"] if given.get("input_ids") is None else given["input_ids"]
        sizes.append(X.shape[0] * X.shape[1])
        if sizes[-1] > room:
            raise error

    get_shim(model)._model.embeddings.register_forward_pre_hook(check, with_kwargs=True)
    return sizes


def test_errors_that_say_so():
    with pytest.raises(RuntimeError) as info:
        torch.empty(2**60)
    assert is_out_of_memory(info.value)
    with pytest.raises(MemoryError) as info:
        np.empty(2**59)
    assert is_out_of_memory(info.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"), explained_memory("Buy some."):
        torch.ones(2, 3) @ torch.ones(2, 3)


@pytest.mark.parametrize("error", [RuntimeError(ON_A_PROCESSOR), MemoryError()])
def test_predicting_goes_on_in_smaller_parts(get_encoder, error):
    docs = make_docs(*["Yes, London", LONG, "Paris"] * 3)
    model = build(get_encoder())
    expected = predict(model, docs)
    sizes = make_tight(model, 90, error)
    for X, Y in zip(predict(model, docs), expected, strict=True):
        np.testing.assert_allclose(X, Y, atol=1e-5)
    assert max(sizes) > 90


@pytest.mark.parametrize(
    ("run", "setting"),
    [(predict, "Lower `batch_pieces` of the model"), (update, "`gradient_checkpointing = true`")],
)
def test_the_error_names_the_setting(get_encoder, run, setting):
    model = build(get_encoder())
    make_tight(model, 5, RuntimeError(ON_A_PROCESSOR))
    with pytest.raises(MemoryError, match=rf"Not enough memory for the transformer.*{setting}"):
        run(model, make_docs("Alex lives in London"))


def test_training_does_not_try_halves(get_encoder):
    model = build(get_encoder())
    sizes = make_tight(model, 90, MemoryError())
    with pytest.raises(MemoryError, match=r"lower `pieces` .*raise `accumulate_gradient`"):
        update(model, make_docs(*[LONG] * 6))
    # Other parts may have started before the first one failed.
    assert min(sizes) > 90 and len(sizes) <= count_threads(None)


def test_cupy_gives_its_memory_back_before_halves_are_tried(monkeypatch):
    freed = []
    pool = SimpleNamespace(free_all_blocks=lambda: freed.append(True))
    fake = SimpleNamespace(get_default_memory_pool=lambda: pool)
    monkeypatch.setattr(thinc.util, "has_cupy_gpu", True)
    monkeypatch.setattr(thinc.util, "cupy", fake, raising=False)

    def compute(rows):
        if rows.stop - rows.start > 2:
            raise torch.OutOfMemoryError
        return list(range(rows.start, rows.stop))

    assert run_in_halves(compute, 4) == [[0, 1], [2, 3]]
    assert len(freed) == 1


LIMITED = """
import resource, sys
import torch
from spacy.tokens import Doc
from spacy.training import Example
from support.listening import make_nlp

def find(n):
    words = ["London", "is", "big", "."] * 25
    docs = nlp.pipe([Doc(nlp.vocab, words=words) for _ in range(n)], batch_size=n)
    return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]

def update(n):
    docs = [Doc(nlp.vocab, words=["London", "is"] * 50, ents=["O"] * 100) for _ in range(n)]
    nlp.update([Example(doc.copy(), doc) for doc in docs])

torch.set_num_threads(1)
nlp = make_nlp(sys.argv[1], batch_pieces=10**6)
(expected,) = find(1)
update(1)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[3]) * 2**20,) * 2)
assert find(600) == [expected] * 600 if sys.argv[2] == "predict" else update(600)
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "megabytes", "last"),
    [
        # Halves need about 85 MB; the whole bucket needs more than 100.
        ("predict", 95, "done"),
        ("update", 60, "MemoryError: .*`gradient_checkpointing = true`"),
    ],
)
def test_a_real_limit_is_met_in_smaller_parts_or_named(get_encoder, task, megabytes, last):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(get_encoder()), task, str(megabytes)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert re.match(last, (done.stdout + done.stderr).strip().splitlines()[-1]), done.stderr
