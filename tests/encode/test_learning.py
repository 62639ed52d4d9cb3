"""What a batch teaches, whatever the threads that compute its parts."""

import threading

import numpy as np
import pytest
import torch
from support.checkpoints import BUILDERS
from support.encoders import build, make_docs
from support.updates import get_gradients, update

from spacy_bert_ner.encode import learning, transformer

DOCS = make_docs(*(" ".join(["Alex lives in Paris."] * n) for n in (1, 2, 3, 5, 8)))


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(transformer, "PART_PIECES", 20)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", BUILDERS)
def test_same_gradients_to_the_last_bit_whatever_the_threads(get_encoder, kind, dtype):
    """Also where layers share their weights (ALBERT), which torch converts to bfloat16."""
    found = []
    for threads in (1, 2):
        model = build(get_encoder(kind), dropout=0.3, compute_dtype=dtype, threads=threads)
        torch.manual_seed(0)
        X, _ = update(model, DOCS)
        found.append({"": X, **get_gradients(model)})
    alone, together = found
    assert together.keys() == alone.keys()
    for name, gradient in together.items():
        np.testing.assert_array_equal(gradient, alone[name], err_msg=name)


def test_parts_are_computed_at_the_same_time_and_draw_their_own_numbers(get_encoder, monkeypatch):
    both, drawn = threading.Barrier(2, timeout=100), []
    read_part = learning.read_part

    def meet(model, X, placed, i):
        if i < 2:
            both.wait()
        with torch.no_grad():
            drawn.append(torch.nn.functional.dropout(torch.ones(99)))
        return read_part(model, X, placed, i)

    monkeypatch.setattr(learning, "read_part", meet)
    update(build(get_encoder(), threads=2), DOCS)
    assert len(drawn) >= 5
    assert len({tuple(row.tolist()) for row in drawn}) == len(drawn)


def test_threads_without_a_part_help_inside(get_encoder, monkeypatch):
    monkeypatch.setattr(transformer, "PART_PIECES", 10**6)
    seen, before = [], torch.get_num_threads()
    read_part = learning.read_part

    def look(*args):
        seen.append(torch.get_num_threads())
        return read_part(*args)

    monkeypatch.setattr(learning, "read_part", look)
    update(build(get_encoder(), threads=3), DOCS[:1])
    assert seen == [3] and torch.get_num_threads() == before


def test_weights_with_one_gradient_get_one_each_in_their_own_order():
    """Torch may give two weights the same tensor, or one whose columns lie together."""
    weights = [torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(3)]
    same, turned = torch.ones(2, 3), torch.arange(6.0).view(3, 2).t()
    learning._Gradients(weights).add(0, [same, same, turned])
    weights[0].grad *= 5
    assert [p.grad.tolist() for p in weights[:2]] == [[[5.0] * 3] * 2, [[1.0] * 3] * 2]
    assert torch.equal(weights[2].grad, turned) and weights[2].grad.is_contiguous()
