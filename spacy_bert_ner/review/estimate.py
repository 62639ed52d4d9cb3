"""Gold and best readings of all places → bounds of the share of wrong labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluate.intervals import resample
from .judge import Judgement

CERTAIN = 0.25
"""The share of the places with a found entity that counts: the most certain ones."""

METHOD = (
    "At least: in the most certain quarter of the entities that they find, models that did not "
    "learn from a sentence are almost never wrong. Where the gold differs there, the gold is "
    "wrong; that share is taken for all entities. A gold entity counts as invented if the models "
    "are as certain that there is none. Wrong labels in hard places do not count, because only "
    "a person can tell them from errors of the models: where annotators err mostly in hard "
    "places, the true share is much larger. (It is smaller only if the models make certain errors, "
    "for example on another kind of text.) Interval: 95 %, sentences drawn with replacement. At "
    "most: the share of places where the gold and the models differ at all. It counts every error "
    "of the models as a wrong label; wrong labels that the models learned are in neither bound."
)
"""How `estimate_noise` works."""


def estimate_noise(judgements: Sequence[Judgement], *, seed: int = 0) -> dict[str, Any]:
    """Estimate between what bounds the share of wrong labels is, and what F1 that costs.

    judgements (Sequence[Judgement]): What models that did not learn from a sentence say of
        it.
    seed (int): Seed of the draws.
    RETURNS (Dict[str, Any]): "wrong_share" (a lower bound) and "f1_of_a_perfect_model" (an
        upper bound), each with "value" and "interval" ([low, high], `None` with fewer than
        two sentences); "differing_share" (the upper bound of the wrong share), "n_places",
        "n_certain", "certain_from" (the lowest probability that counts) and "method".
    """
    places = [(i, place) for i, said in enumerate(judgements) for place in said.places]
    certainty = [place.found_prob for _, place in places if place.found]
    from_ = float(np.quantile(certainty, 1 - CERTAIN)) if certainty else 1.0
    # Places; those with a found entity; and of the certain places: those with a found entity,
    # those of them where the gold differs, invented entities, entities that both readings
    # share, found ones, gold ones. Shape: (n_sentences, 8)
    counts = np.zeros((len(judgements), 8))
    for i, place in places:
        counts[i, :2] += [1, bool(place.found)]
        if place.found_prob >= from_ and place.found:
            n_right = len(set(place.gold) & set(place.found))
            is_wrong = place.gold != place.found
            counts[i, 2:] += [1, is_wrong, 0, n_right, len(place.found), len(place.gold)]
        elif place.found_prob >= from_:
            counts[i, 4] += len(place.gold)
    sums = resample(counts, seed=seed) if len(counts) > 1 else counts[:0]
    found: dict[str, Any] = {}
    values, drawn = _measure(counts.sum(axis=0, keepdims=True)), _measure(sums)
    for column, name in enumerate(("wrong_share", "f1_of_a_perfect_model")):
        known = drawn[:, column][~np.isnan(drawn[:, column])]
        interval = np.percentile(known, [2.5, 97.5]).tolist() if len(known) else None
        value = float(values[0, column])
        found[name] = {"value": None if np.isnan(value) else value, "interval": interval}
    n_differing = sum(place.gold != place.found for _, place in places)
    return {
        **found,
        "differing_share": n_differing / len(places) if places else None,
        "n_places": len(places),
        "n_certain": int(counts[:, 2].sum()),
        "certain_from": from_,
        "method": METHOD,
    }


def _measure(sums: np.ndarray) -> np.ndarray:
    # the share of wrong labels and the F-score; Shape: (n, 2)
    n_places, n_found, n_certain, n_wrong, n_invented, right, found, gold = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = n_found / n_certain
        wrong = (n_wrong * scale + n_invented) / n_places
        score = 2 * right * scale / ((found + gold) * scale + n_invented)
    return np.stack([wrong, score], axis=1)
