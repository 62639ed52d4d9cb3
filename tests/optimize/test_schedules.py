"""Schedules of the learning rate, in steps, epochs and fractions."""

from itertools import islice
from math import cos, pi

import pytest
from spacy.util import registry

from spacy_bert_ner.optimize.schedules import count_steps, parse_span


def make_rates(shape, n_rates, **settings):
    config = {"@schedules": f"spacy-bert-ner.{shape}.v1", "rate": 2.0, **settings}
    return list(islice(registry.resolve({"schedule": config})["schedule"], n_rates))


@pytest.mark.parametrize("warmup", ["20%", "2 epochs", "20 steps", "20 step"])
def test_units_of_the_warmup_mean_the_same(warmup):
    rates = make_rates("linear", 101, warmup=warmup, total_steps=100, epoch_steps=10)
    assert rates == make_rates("linear", 101, warmup="20 steps", total_steps=100)
    # The first rate is not 0, the peak is reached, the last is 0 and stays.
    assert rates[:2] == [pytest.approx(0.1), pytest.approx(0.2)]
    assert max(rates) == rates[19] == 2.0
    assert rates[59] == pytest.approx(1.0)
    assert rates[99] == rates[100] == 0.0


def test_cosine_is_a_cosine():
    rates = make_rates("cosine", 50, warmup="0 steps", total_steps=50, final=0.1)
    expected = [2.0 * (0.1 + 0.9 * (1 + cos(pi * step / 50)) / 2) for step in range(1, 51)]
    assert rates == pytest.approx(expected)


def test_constant_needs_no_total():
    assert make_rates("constant", 4, warmup="2 steps") == [1.0, 2.0, 2.0, 2.0]
    assert make_rates("constant", 2) == [2.0, 2.0]


def test_final_is_a_share_of_the_peak():
    assert make_rates("linear", 9, final=0.25, total_steps=8)[-1] == 0.5


@pytest.mark.parametrize(
    ("shape", "settings", "missing"),
    [
        ("linear", {}, "needs `total_steps`"),
        ("linear", {"total_steps": 0}, "needs `total_steps` .*but it is 0"),
        ("cosine", {"warmup": "1 steps"}, "needs `total_steps`"),
        ("constant", {"warmup": "1 epochs"}, "needs `epoch_steps` for '1 epochs'"),
        ("constant", {"warmup": "10%"}, "needs `total_steps` for '10%'"),
    ],
)
def test_unknown_length_is_an_error_when_the_rate_is_needed(shape, settings, missing):
    with pytest.raises(ValueError, match=f"{missing}.*plan_training"):
        make_rates(shape, 1, **settings)


@pytest.mark.parametrize("text", ["", "10", "ten steps", "-1 steps", "5 weeks", "10 %%"])
def test_bad_length_is_an_error(text):
    with pytest.raises(ValueError, match=r'expected a number and its unit: "10%"'):
        parse_span(text)


def test_bad_warmup_is_found_when_the_config_is_read():
    with pytest.raises(ValueError, match="'5 weeks'"):
        make_rates("linear", 0, warmup="5 weeks")


def test_steps_are_rounded():
    assert count_steps("0.25 epochs", total_steps=None, epoch_steps=10) == 2
    assert count_steps("1.5%", total_steps=100, epoch_steps=None) == 2
