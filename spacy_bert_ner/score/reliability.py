"""Probabilities, and which entities are right → calibration error, temperature, thresholds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Temperatures to try; each is about a quarter higher than the one before.
TEMPERATURES = np.geomspace(0.2, 8.0, 17)

# With fewer entities than this, a temperature would be random.
MIN_ENTITIES = 30


def compute_ece(probs: np.ndarray, is_right: np.ndarray, *, n_bins: int = 10) -> float | None:
    """Compute the expected calibration error (Naeini et al. 2015).

    It is the mean distance between the predicted probability of entities and the share
    of entities that are right, over bins of equal width.

    probs (ndarray): Probability of each entity, 0 to 1. Shape: (n_ents,).
    is_right (ndarray): Whether it was right. Shape: (n_ents,).
    n_bins (int): Number of bins.
    RETURNS (float | None): From 0 to 1; `None` without entities.

    EXAMPLE:
        >>> compute_ece(np.asarray([0.9, 0.9, 0.9, 0.9]), np.asarray([1, 1, 1, 0]))
        0.15...
    """
    if not len(probs):
        return None
    bins = np.minimum((probs * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(bins, weights=probs - is_right, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(probs))


def compute_doubt(probs: np.ndarray, is_right: np.ndarray) -> float:
    """Compute the mean negative log-likelihood of the outcomes, in nats.

    probs (ndarray): Probability of each entity, 0 to 1. Shape: (n_ents,).
    is_right (ndarray): Whether it was right. Shape: (n_ents,).
    RETURNS (float): 0 or more.
    """
    likelihood = np.where(is_right, probs, 1.0 - probs)
    return float(-np.log(np.maximum(likelihood, 1e-12)).mean())


def choose_temperature(probs: np.ndarray, is_right: np.ndarray) -> float:
    """Choose the temperature that makes the outcomes most likely.

    Near its minimum, the negative log-likelihood is close to a parabola in the log of
    the temperature. This finds the lowest point of the parabola through the best of
    `TEMPERATURES` and its neighbours.

    probs (ndarray): Probability of each entity at each of `TEMPERATURES`.
        Shape: (n_temperatures, n_ents).
    is_right (ndarray): Whether it was right. Shape: (n_ents,).
    RETURNS (float): The temperature, within the range of `TEMPERATURES`.
    """
    doubts = [compute_doubt(row, is_right) for row in probs]
    best = int(np.argmin(doubts))
    if best in (0, len(doubts) - 1):
        return float(TEMPERATURES[best])
    rise, fall = doubts[best + 1] - doubts[best], doubts[best - 1] - doubts[best]
    # `argmin` returns the first of equals, so the fall is above 0.
    shift = (fall - rise) / (2 * (fall + rise))
    return float(TEMPERATURES[best] * (TEMPERATURES[1] / TEMPERATURES[0]) ** shift)


class Threshold(NamedTuple):
    """A threshold, and the scores of the entities at or above it.

    value (float): The threshold, from 0 to 1.
    precision (float): Share of these entities that are right.
    recall (float): Share of the gold entities that are among them.
    n_kept (int): Number of these entities.
    """

    value: float
    precision: float
    recall: float
    n_kept: int


def find_threshold(
    probs: np.ndarray, is_right: np.ndarray, n_gold: int, *, precision: float
) -> Threshold:
    """Find the threshold that keeps the most entities at a target precision.

    probs (ndarray): Probability of each entity. Shape: (n_ents,).
    is_right (ndarray): Whether it was right. Shape: (n_ents,).
    n_gold (int): Number of gold entities.
    precision (float): The target precision, above 0, up to 1.
    RETURNS (Threshold): The threshold; 0 if all entities together are precise enough.
    RAISES (ValueError): If no threshold reaches the precision.
    """
    check_precision(precision)
    thresholds = list_thresholds(probs, is_right, n_gold)
    good = [threshold for threshold in thresholds if threshold.precision >= precision]
    if not good:
        best = find_most_precise(thresholds)
        raise ValueError(
            f"No threshold reaches a precision of {precision}: the best is {best.precision:.4f}, "
            f"with the {best.n_kept} of {len(probs)} entities at or above {best.value:.4f}. "
            "Ask for a lower precision, or train a better model."
        )
    return good[-1]


def check_precision(precision: float) -> None:
    """Check a target precision.

    precision (float): The precision.
    RAISES (ValueError): If it is not above 0 and up to 1.
    """
    if not 0 < precision <= 1:
        raise ValueError(f"The target precision is {precision}, expected 0 < precision <= 1.")


def list_thresholds(probs: np.ndarray, is_right: np.ndarray, n_gold: int) -> list[Threshold]:
    """List the thresholds that keep different entities, each halfway between two of them.

    probs (ndarray): Probability of each entity. Shape: (n_ents,).
    is_right (ndarray): Whether it was right. Shape: (n_ents,).
    n_gold (int): Number of gold entities.
    RETURNS (List[Threshold]): The highest first; the last is 0 and keeps all.
    RAISES (ValueError): If there is no entity.
    """
    if not len(probs):
        raise ValueError("The model finds no entity in this data, so no threshold can be chosen.")
    order = np.argsort(-probs, kind="stable")
    probs = probs[order]
    n_right = np.cumsum(is_right[order])
    # A threshold keeps all entities with the same probability, or none of them.
    last = np.flatnonzero(np.append(probs[1:] < probs[:-1], True))
    # Halfway to the next entity: the last digits of a probability vary with its batch.
    kept, left_out = probs[last[:-1]], probs[last[:-1] + 1]
    middle = (kept + left_out) / 2
    values = np.append(np.where(middle > left_out, middle, kept), 0.0)
    precisions = n_right[last] / (last + 1)
    recalls = n_right[last] / n_gold if n_gold else np.zeros(len(last))
    columns = (column.tolist() for column in (values, precisions, recalls, last + 1))
    return [Threshold(*row) for row in zip(*columns, strict=True)]


def find_most_precise(thresholds: Sequence[Threshold]) -> Threshold:
    """Get the threshold with the highest precision; of equals, the one that keeps the most.

    thresholds (Sequence[Threshold]): At least one, from `list_thresholds`.
    RETURNS (Threshold): The most precise one.
    """
    best = max(threshold.precision for threshold in thresholds)
    return [threshold for threshold in thresholds if threshold.precision == best][-1]
