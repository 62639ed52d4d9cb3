"""F1 at some sizes of the training data → what more data would bring, with an interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

USUAL_NOISE = 0.005
"""The standard deviation of F1 that is believed before any is measured."""

_FLOORS = np.linspace(0.0, 1.0, 41)  # of the error at one's best size
_EXPONENTS = np.geomspace(0.05, 2.0, 60)
_N_DRAWS = 4000


class Forecast(NamedTuple):
    """F1, or a difference of two, with its 95 % interval.

    value (float): The median.
    low (float): 2.5 % are below.
    high (float): 2.5 % are above.
    """

    value: float
    low: float
    high: float


class PowerLaw:
    """The error as a power law of the size: 1 − F1 = floor + factor · size ** −exponent.

    Few sizes do not determine the three numbers. So all combinations of floor and
    exponent on a grid count, each with its best factor and by how well it fits (a posterior
    with flat priors); the interval covers them. The noise is not known either: it is what
    a law leaves, seeds and misfit, so that the interval is wide where no power law fits.

    noise (float): The median of the noise, as a standard deviation.

    sizes (Sequence[float]): Sizes of the training data. Shape: (n_points,).
    scores (Sequence[float]): F1 of a model trained with each. Shape: (n_points,).
    RAISES (ValueError): If there are fewer than 3 different sizes.
    """

    def __init__(self, sizes: Sequence[float], scores: Sequence[float]) -> None:
        """Weigh all power laws by how well they fit."""
        n, errors = np.asarray(sizes, dtype=float), 1.0 - np.asarray(scores, dtype=float)
        if len(set(sizes)) < 3:
            raise ValueError(
                f"F1 at {len(set(sizes))} sizes, expected at least 3 to fit a power law. Give more "
                "`shares`."
            )
        self.unit = n.max()
        floors = (_FLOORS * errors.min())[:, None, None]
        powers = (n / self.unit) ** -_EXPONENTS[:, None]  # Shape: (n_exponents, n_points)
        factors = ((errors - floors) * powers).sum(axis=2) / (powers**2).sum(axis=1)
        factors = np.maximum(factors, 0.0)
        misses = errors - floors - factors[:, :, None] * powers
        # The usual noise counts like four more points (an inverse chi-squared prior).
        squares = 4 * USUAL_NOISE**2 + (misses**2).sum(axis=2)
        log_weights = -(4 + len(n)) / 2 * np.log(squares)
        weights = np.exp(log_weights - log_weights.max()).ravel()
        rng = np.random.default_rng(0)
        chosen = rng.choice(len(weights), _N_DRAWS, p=weights / weights.sum())
        self._noises = np.sqrt(squares.ravel()[chosen] / rng.chisquare(4 + len(n), _N_DRAWS))
        self.noise = float(np.median(self._noises))
        floor, exponent = np.divmod(chosen, len(_EXPONENTS))
        self._floors, self._exponents = floors[floor, 0, 0], _EXPONENTS[exponent]
        self._factors = factors[floor, exponent]

    def forecast(self, size: float, *, with_noise: bool = False) -> Forecast:
        """Forecast the F1 at a size.

        size (float): The size of the training data.
        with_noise (bool): Whether the interval is that of one training run, and not of the
            mean over many seeds.
        RETURNS (Forecast): F1.
        """
        drawn = self._draw(size)
        if with_noise:
            drawn = drawn + np.random.default_rng(1).normal(0.0, self._noises)
        return _summarize(drawn)

    def forecast_gain(self, size: float, more: float) -> Forecast:
        """Forecast by how much F1 rises if the training data grows."""
        return _summarize(self._draw(size + more) - self._draw(size))

    def _draw(self, size: float) -> np.ndarray:
        errors = self._floors + self._factors * (size / self.unit) ** -self._exponents
        return 1.0 - np.clip(errors, 0.0, 1.0)


def _summarize(drawn: np.ndarray) -> Forecast:
    low, value, high = np.percentile(drawn, [2.5, 50, 97.5]).tolist()
    return Forecast(value, low, high)
