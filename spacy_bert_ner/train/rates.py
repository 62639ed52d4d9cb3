"""The optimizer's settings → the learning rate of each step."""

from collections.abc import Callable
from itertools import islice, repeat

from spacy.language import Language
from spacy.util import registry


def read_rates(nlp: Language) -> Callable[[int], float | None]:
    """Make a function that returns the learning rate of a step.

    nlp (Language): The pipeline, with the optimizer in its config.
    RETURNS (Callable[[int], float | None]): Takes the number of a step, counted from 0 and
        never lower than before. Returns `None` if the optimizer has no `learn_rate`.
    """
    rate = nlp.config.interpolate()["training"]["optimizer"].get("learn_rate")
    is_schedule = isinstance(rate, dict)
    rates = registry.resolve({"rate": rate})["rate"] if is_schedule else repeat(rate)
    n_taken, last = 0, None

    def read_rate(step: int) -> float | None:
        nonlocal n_taken, last
        for value in islice(rates, step + 1 - n_taken):
            last = value
            n_taken += 1
        return last

    return read_rate
