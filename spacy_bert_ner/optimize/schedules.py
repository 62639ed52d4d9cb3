"""Steps, epochs or fractions of a training run → a learning rate for each batch."""

import re
from collections.abc import Callable, Iterator
from math import cos, pi

from ..ranges import check_range

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(%|epochs?|steps?)")


def make_linear_v1(
    *,
    rate: float,
    warmup: str = "10%",
    final: float = 0.0,
    total_steps: int | None = None,
    epoch_steps: int | None = None,
) -> Iterator[float]:
    """Make a rate that rises to its peak and falls linearly.

    Entry point: spacy-bert-ner.linear.v1.

    rate (float): The peak.
    warmup (str): How long the rate rises from 0 to the peak: "10%" of the training run,
        "0.5 epochs" or "100 steps" (a step is a batch).
    final (float): The rate at the end, as a share of the peak.
    total_steps (int | None): The number of steps of the training run. If `None`,
        `spacy-bert-ner.plan_training.v1` fills it in.
    epoch_steps (int | None): The number of steps of an epoch, filled in likewise.
    YIELDS (float): The rate of each step, then the last rate for ever.

    EXAMPLE:
    >>> rates = make_linear_v1(rate=1.0, warmup="2 steps", total_steps=6)
    >>> [round(next(rates), 2) for _ in range(7)]
    [0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return _rise_and_fall(_fall_linear, rate, warmup, final, total_steps, epoch_steps)


def make_cosine_v1(
    *,
    rate: float,
    warmup: str = "10%",
    final: float = 0.0,
    total_steps: int | None = None,
    epoch_steps: int | None = None,
) -> Iterator[float]:
    """Make a rate that rises to its peak and falls like half a cosine wave.

    Entry point: spacy-bert-ner.cosine.v1. The settings are those of
    spacy-bert-ner.linear.v1.

    rate (float): The peak.
    warmup (str): How long the rate rises from 0 to the peak.
    final (float): The rate at the end, as a share of the peak.
    total_steps (int | None): The number of steps of the training run.
    epoch_steps (int | None): The number of steps of an epoch.
    YIELDS (float): The rate of each step, then the last rate for ever.
    """
    return _rise_and_fall(_fall_cosine, rate, warmup, final, total_steps, epoch_steps)


def make_constant_v1(
    *,
    rate: float,
    warmup: str = "0 steps",
    total_steps: int | None = None,
    epoch_steps: int | None = None,
) -> Iterator[float]:
    """Make a rate that rises to its peak and stays constant.

    Entry point: spacy-bert-ner.constant.v1. The settings are those of
    spacy-bert-ner.linear.v1.

    rate (float): The peak.
    warmup (str): How long the rate rises from 0 to the peak.
    total_steps (int | None): The number of steps of the training run.
    epoch_steps (int | None): The number of steps of an epoch.
    YIELDS (float): The rate of each step.
    """
    return _rise_and_fall(_stay, rate, warmup, 1.0, total_steps, epoch_steps)


def _rise_and_fall(
    fall: Callable[[float], float],
    rate: float,
    warmup: str,
    final: float,
    total_steps: int | None,
    epoch_steps: int | None,
) -> Iterator[float]:
    parse_span(warmup)  # fails at once if the text is wrong
    check_range("rate", rate, 0)
    check_range("final", final, 0)

    def yield_rates() -> Iterator[float]:
        n_warmup = count_steps(warmup, total_steps=total_steps, epoch_steps=epoch_steps)
        n_fall = 1
        if fall is not _stay:
            total = _require_steps("total_steps", total_steps, "the falling rate")
            n_fall = max(1, total - n_warmup)
        step = 1
        while True:
            # The first step already has a share of the peak; the last one has the final rate.
            if step <= n_warmup:
                yield rate * step / n_warmup
            else:
                share = fall(min(1.0, (step - n_warmup) / n_fall))
                yield rate * (final + (1.0 - final) * share)
            step += 1

    return yield_rates()


def _fall_linear(progress: float) -> float:
    return 1.0 - progress


def _fall_cosine(progress: float) -> float:
    return (1.0 + cos(pi * progress)) / 2


def _stay(progress: float) -> float:
    return 1.0


def parse_span(text: str) -> tuple[float, str]:
    """Parse a length of training: "10%", "0.5 epochs" or "100 steps".

    text (str): The length.
    RETURNS (Tuple[float, str]): The number, and one of "%", "epoch" and "step".
    RAISES (ValueError): If the text has another form.

    EXAMPLE:
    >>> parse_span("0.5 epochs")
    (0.5, 'epoch')
    """
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise ValueError(
            f"Found {text!r} as a length of training, expected a number and its unit: "
            '"10%", "0.5 epochs" or "100 steps".'
        )
    return float(match[1]), match[2].removesuffix("s")


def count_steps(text: str, *, total_steps: int | None, epoch_steps: int | None) -> int:
    """Count the steps of a length of training.

    text (str): The length, as in `parse_span`.
    total_steps (int | None): The number of steps of the training run; needed for "%".
    epoch_steps (int | None): The number of steps of an epoch; needed for "epochs".
    RETURNS (int): The number of steps, rounded.
    RAISES (ValueError): If the number it needs is `None`.

    EXAMPLE:
    >>> count_steps("10%", total_steps=200, epoch_steps=None)
    20
    """
    number, unit = parse_span(text)
    if unit == "%":
        return round(_require_steps("total_steps", total_steps, repr(text)) * number / 100)
    if unit == "epoch":
        return round(_require_steps("epoch_steps", epoch_steps, repr(text)) * number)
    return round(number)


def _require_steps(name: str, n_steps: int | None, what: str) -> int:
    if n_steps is None or n_steps < 1:
        found = "null" if n_steps is None else n_steps
        raise ValueError(
            f"The learning rate schedule needs `{name}` for {what}, but it is {found}. Set it, or "
            'leave it null and set `@callbacks = "spacy-bert-ner.plan_training.v1"` in '
            "[initialize.after_init], which counts the steps."
        )
    return n_steps
