"""Probabilities of found entities → calibration curve, and scores at each threshold."""

from collections.abc import Sequence

import numpy as np

from ..score.reliability import compute_ece
from .counts import Counts, Scores
from .lines import Line

N_BINS = 10
THRESHOLDS = [i / 20 for i in range(20)] + [0.97, 0.99]


def score_certainty(lines: Sequence[Line]) -> Scores | None:
    """Measure how well the probabilities match the share of entities that are right.

    lines (Sequence[Line]): The lines.
    RETURNS (Dict[str, Any] | None): "ece" (see `compute_ece`); "bins": for each tenth of
        probability that has entities, "low", "high", the mean "probability", the share
        "right", and "n"; "thresholds": the scores of the entities at or above each.
        `None` if the pipeline has no probabilities.
    """
    rows = [
        (score, span in set(line.gold))
        for line in lines
        for span, score in zip(line.found, line.scores, strict=True)
        if score is not None
    ]
    if not rows:
        return None
    probs, is_right = np.asarray(rows, dtype=np.float64).T
    n_gold = sum(len(line.gold) for line in lines)
    bins = np.minimum((probs * N_BINS).astype(np.int64), N_BINS - 1)
    return {
        "ece": compute_ece(probs, is_right, n_bins=N_BINS),
        "bins": [
            {
                "low": i / N_BINS,
                "high": (i + 1) / N_BINS,
                "probability": float(probs[bins == i].mean()),
                "right": float(is_right[bins == i].mean()),
                "n": int((bins == i).sum()),
            }
            for i in np.unique(bins).tolist()
        ],
        "thresholds": [
            {"threshold": t, **_score_kept(is_right[probs >= t], n_gold)} for t in THRESHOLDS
        ],
    }


def _score_kept(is_right: np.ndarray, n_gold: int) -> Scores:
    return Counts(int(is_right.sum()), len(is_right), n_gold).to_scores()
