"""Gold and best readings of all places → the share of wrong labels, and what it costs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluate.intervals import compute_shares, resample
from .judge import Judgement

CERTAIN = 0.5
"""The share of all places that counts: those where the models are most certain."""

METHOD = (
    "Of all places with an entity, the half counts in which the models are most certain of their "
    "own reading. There, a model that did not learn from a sentence is almost never wrong, so "
    "that where the gold differs, the gold is wrong. The share assumes that labels are as often "
    "wrong in the other half, and is too low if they are wrong mostly in hard places. Interval: "
    "95 %, sentences drawn with replacement."
)
"""How `estimate_noise` works."""


def estimate_noise(judgements: Sequence[Judgement], *, seed: int = 0) -> dict[str, Any]:
    """Estimate the share of wrong labels, and the F1 that a perfect model would lose by them.

    judgements (Sequence[Judgement]): What models that did not learn from a sentence say of
        it.
    seed (int): Seed of the draws.
    RETURNS (Dict[str, Any]): "wrong_share" and "f1_of_a_perfect_model", each with "value"
        and "interval" ([low, high], `None` with fewer than two sentences); "n_places",
        "n_certain", "certain_from" (the lowest probability that counts) and "method".
    """
    places = [(i, place) for i, said in enumerate(judgements) for place in said.places]
    certainty = np.asarray([place.found_prob for _, place in places])
    from_ = float(np.quantile(certainty, 1 - CERTAIN)) if len(certainty) else 0.0
    # Places, and those where the gold differs; entities that both readings share, that a
    # perfect model would find, and that the gold has. Shape: (n_sentences, 5)
    counts = np.zeros((len(judgements), 5))
    for i, place in places:
        if place.found_prob >= from_:
            n_right = len(set(place.gold) & set(place.found))
            is_wrong = place.gold != place.found
            counts[i] += [1, is_wrong, n_right, len(place.found), len(place.gold)]
    sums = resample(counts, seed=seed) if len(counts) > 1 else counts[:0]
    numbers = {"wrong_share": _share_wrong, "f1_of_a_perfect_model": _score_perfect}
    found: dict[str, Any] = {}
    for name, measure in numbers.items():
        drawn = measure(sums)
        drawn = drawn[~np.isnan(drawn)]
        value = measure(counts.sum(axis=0, keepdims=True))[0]
        interval = np.percentile(drawn, [2.5, 97.5]).tolist() if len(drawn) else None
        found[name] = {"value": None if np.isnan(value) else float(value), "interval": interval}
    return {
        **found,
        "n_places": len(places),
        "n_certain": int(counts[:, 0].sum()),
        "certain_from": from_,
        "method": METHOD,
    }


def _share_wrong(sums: np.ndarray) -> np.ndarray:
    return np.divide(sums[:, 1], sums[:, 0], out=np.full(len(sums), np.nan), where=sums[:, 0] > 0)


def _score_perfect(sums: np.ndarray) -> np.ndarray:
    return compute_shares(sums[:, 2:])[:, 2]
