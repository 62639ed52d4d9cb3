"""Dropout from random bits, and attention with it and without, next to torch's own."""

import contextlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from spacy_bert_ner.encode.cpu_training import QuickTraining, drop

SHAPES = st.lists(st.integers(0, 7), min_size=1, max_size=3)


def make_generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.75, 0.99])
def test_every_place_of_a_draw_is_dropped_as_often_as_the_rate_says(p):
    n = 200_000
    dropped = (drop(torch.ones(n, 4), p, make_generator()) == 0).double()
    # Five standard deviations of a binomial share.
    assert (dropped.mean(0) - p).abs().max() < 5 * (p * (1 - p) / n) ** 0.5
    # Neighbours in a draw know nothing of each other: correlations within five again.
    assert (torch.corrcoef(dropped.T) - torch.eye(4)).abs().max() < 5 / n**0.5


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, p=st.floats(0, 1), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_values_are_scaled_or_dropped_and_gradients_with_them(shape, p, dtype):
    X = torch.arange(1.0, 1 + torch.Size(shape).numel()).to(dtype).reshape(shape)
    X.requires_grad_()
    Y = drop(X, p, make_generator())
    assert Y.shape == X.shape and Y.dtype == dtype
    (Y * 1).backward(torch.ones_like(X))
    assert torch.equal(X.grad == 0, Y == 0)
    kept = Y != 0
    scale = torch.tensor(1 / (1 - p) if p < 1 else 0.0)
    torch.testing.assert_close(X.grad[kept], scale.to(dtype).expand_as(X)[kept], rtol=0.01, atol=0)
    torch.testing.assert_close(Y[kept], (X * X.grad)[kept])


def test_the_mean_stays():
    n = 1_000_000
    # A rate that 16 bits cannot hold: what they hold is what is scaled by.
    Y = drop(torch.ones(n), 0.3, make_generator())
    assert abs(Y.mean() - 1) < 5 * (0.3 / 0.7 / n) ** 0.5


def test_layers_of_dropout_draw_from_the_generator_of_the_context():
    layer, X = torch.nn.Dropout(0.5), torch.ones(33, 7)
    before = torch.get_rng_state()
    with QuickTraining(make_generator(1)):
        first, second = layer(X), torch.nn.functional.dropout(X)
        in_place = torch.nn.Dropout(0.5, inplace=True)
        assert layer.eval()(X) is X and not torch.equal(first, second)
    generator = make_generator(1)
    assert torch.equal(first, drop(X, 0.5, generator))
    assert torch.equal(second, drop(X, 0.5, generator))
    assert torch.equal(torch.get_rng_state(), before)
    with QuickTraining(make_generator()):  # torch's own
        Y = X.clone()
        assert in_place(Y) is Y and set(Y.unique().tolist()) == {0.0, 2.0}


def make_attention(dtype, mask):
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, 5, 8).to(dtype).requires_grad_() for _ in range(3)]
    is_piece = (torch.arange(5) < torch.tensor([[5], [3]]))[:, None, None].expand(2, 1, 5, 5)
    masks = {"none": None, "bool": is_piece, "float": torch.where(is_piece, 0.0, -1e30).to(dtype)}
    return inputs, masks[mask]


@pytest.mark.parametrize("mask", ["none", "bool", "float"])
@pytest.mark.parametrize("options", [{}, {"scale": 0.3}, {"dropout_p": 1e-6, "scale": 0.3}])
def test_attention_is_that_of_float32_and_its_gradient_too(mask, options):
    """A rate that rounds to no dropped value shows that both ways to attend agree."""
    found = {}
    for is_quick in (False, True):
        inputs, given_mask = make_attention(torch.bfloat16, mask)
        wide = inputs if is_quick else [X.detach().float().requires_grad_() for X in inputs]
        if not is_quick and mask == "float":
            given_mask = given_mask.float()
        given_options = options if is_quick else {**options, "dropout_p": 0.0}
        quick = QuickTraining(make_generator()) if is_quick else contextlib.nullcontext()
        with quick, torch.autocast("cpu", torch.bfloat16, enabled=is_quick):
            named = dict(zip(("query", "key", "value"), wide, strict=True))  # as ALBERT calls it
            Y = scaled_dot_product_attention(**named, attn_mask=given_mask, **given_options)
        assert Y.dtype == wide[0].dtype
        (Y.float() ** 2).sum().backward()
        found[is_quick] = [Y.float(), *(X.grad.float() for X in wide)]
    for ours, exact in zip(found[True], found[False], strict=True):
        # Rounding to bfloat16 only, at the end.
        torch.testing.assert_close(ours, exact, rtol=0.02, atol=0.02)


def test_dropout_of_attention_keeps_its_mean_and_draws_from_the_generator():
    inputs, mask = make_attention(torch.float32, "bool")
    exact = scaled_dot_product_attention(*inputs, attn_mask=mask)
    draws = []
    for seed in (0, 0, *range(600)):
        with QuickTraining(make_generator(seed)), torch.no_grad():
            draws.append(scaled_dot_product_attention(*inputs, attn_mask=mask, dropout_p=0.2))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[2], draws[3])
    drawn = torch.stack(draws[2:])
    error = drawn.std(0) / len(drawn) ** 0.5
    assert ((drawn.mean(0) - exact).abs() <= 5 * error).all() and drawn.std(0).min() > 0
    with QuickTraining(make_generator()):  # torch's own, which knows the other arguments
        causal = scaled_dot_product_attention(*inputs, is_causal=True, dropout_p=0.0)
    torch.testing.assert_close(causal[:, :, 0], inputs[2][:, :, 0])
