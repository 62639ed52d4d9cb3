"""Dropout masks from random bits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints import KINDS
from support.encoders import build

from spacy_bert_ner.encode.dropout import BitDropout, quicken_dropout
from spacy_bert_ner.encode.transformer import get_shim

SHAPES = st.lists(st.integers(0, 7), min_size=1, max_size=3)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.75, 0.99])
def test_every_place_of_a_draw_is_dropped_as_often_as_the_rate_says(p):
    torch.manual_seed(0)
    n = 200_000
    dropped = (BitDropout(p)(torch.ones(n, 4)) == 0).double()
    # Five standard deviations of a binomial share.
    assert (dropped.mean(0) - p).abs().max() < 5 * (p * (1 - p) / n) ** 0.5
    # Neighbours in a draw know nothing of each other: correlations within five again.
    assert (torch.corrcoef(dropped.T) - torch.eye(4)).abs().max() < 5 / n**0.5


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, p=st.floats(0, 1), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_values_are_scaled_or_dropped_and_gradients_with_them(shape, p, dtype):
    X = torch.arange(1.0, 1 + torch.Size(shape).numel()).to(dtype).reshape(shape)
    X.requires_grad_()
    Y = BitDropout(p)(X)
    assert Y.shape == X.shape and Y.dtype == dtype
    Y.backward(torch.ones_like(X))
    assert torch.equal(X.grad == 0, Y == 0)
    kept = Y != 0
    scale = torch.tensor(1 / (1 - p) if p < 1 else 0.0)
    torch.testing.assert_close(X.grad[kept], scale.to(dtype).expand_as(X)[kept], rtol=0.01, atol=0)
    torch.testing.assert_close(Y[kept], (X * X.grad)[kept])


def test_the_mean_stays():
    torch.manual_seed(0)
    n = 1_000_000
    # A rate that 16 bits cannot hold: what they hold is what is scaled by.
    Y = BitDropout(0.3)(torch.ones(n))
    assert abs(Y.mean() - 1) < 5 * (0.3 / 0.7 / n) ** 0.5


def test_the_generator_of_torch_decides():
    drop, X = BitDropout(0.5), torch.ones(33, 7)
    torch.manual_seed(1)
    first, second = drop(X), drop(X)
    torch.manual_seed(1)
    assert torch.equal(drop(X), first)
    assert torch.equal(drop(X), second) and not torch.equal(first, second)


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_prediction_keeps_all(p):
    drop, X = BitDropout(p).eval(), torch.ones(5)
    state = torch.get_rng_state()
    assert drop(X) is X and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_have_it_wherever_they_had_torchs(get_encoder, kind):
    encoder = get_shim(build(get_encoder(kind), dropout=0.3))._model
    plain = type(encoder)(encoder.config)
    layers = [
        [(name, module.p) for name, module in model.named_modules() if isinstance(module, kind)]
        for model, kind in ((encoder, BitDropout), (plain, torch.nn.Dropout))
    ]
    assert layers[0] == layers[1] and {p for _, p in layers[0]} == {0.3}
    assert list(encoder.state_dict()) == [
        name for name in plain.state_dict() if not name.startswith("pooler")
    ]


def test_a_layer_that_works_in_place_stays():
    model = torch.nn.Sequential(torch.nn.Dropout(0.2, inplace=True), torch.nn.Dropout(0.1)).eval()
    quicken_dropout(model)
    assert [type(module) for module in model] == [torch.nn.Dropout, BitDropout]
    assert model[1].p == 0.1 and not model[1].training
