"""Counts of each document → intervals of the scores, and whether two models differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .counts import Scores, count_spans
from .lines import Line

N_SAMPLES = 2000
BLOCK = 250  # samples at once: they need (BLOCK, n_docs) numbers


def count_docs(lines: Sequence[Line], labels: Sequence[str]) -> np.ndarray:
    """Count right, found and gold entities of each document.

    lines (Sequence[Line]): The lines; those of one document share its number.
    labels (Sequence[str]): The labels.
    RETURNS (ndarray): Shape: (n_docs, n_labels, 3).
    """
    column = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((max((line.doc for line in lines), default=-1) + 1, len(labels), 3))
    for line in lines:
        for label, row in count_spans([(line.gold, line.found)]).items():
            counts[line.doc, column[label]] += row
    return counts


def resample(counts: np.ndarray, *, seed: int, n_samples: int = N_SAMPLES) -> np.ndarray:
    """Draw documents with replacement and add up their counts (Efron 1979).

    counts (ndarray): Shape: (n_docs, …).
    seed (int): Seed of the draws.
    n_samples (int): Number of samples.
    RETURNS (ndarray): Shape: (n_samples, …).
    """
    rng = np.random.default_rng(seed)
    n_docs = len(counts)
    flat = counts.reshape(n_docs, -1)
    shares = np.full(n_docs, 1 / n_docs) if n_docs else np.zeros(0)
    sums = [
        rng.multinomial(n_docs, shares, size=min(BLOCK, n_samples - start)) @ flat
        for start in range(0, n_samples if n_docs else 0, BLOCK)
    ]
    return np.concatenate([np.zeros((0, flat.shape[1])), *sums]).reshape(-1, *counts.shape[1:])


def compute_shares(counts: np.ndarray) -> np.ndarray:
    """Compute precision, recall and F-score from counts.

    counts (ndarray): Right, found and gold. Shape: (…, 3).
    RETURNS (ndarray): NaN where the divisor is 0. Shape: (…, 3).
    """
    right, found, gold = np.moveaxis(counts, -1, 0)
    totals = np.stack([found, gold, (found + gold) / 2], axis=-1)
    return np.divide(right[..., None], totals, out=np.full(totals.shape, np.nan), where=totals > 0)


def find_intervals(counts: np.ndarray, labels: Sequence[str], *, seed: int) -> Scores:
    """Compute 95 % percentile intervals by drawing documents with replacement.

    A sample in which a score is undefined is ignored for that score. Otherwise, a rare
    label that is always right would get [0, 1].

    counts (ndarray): The result of `count_docs`. Shape: (n_docs, n_labels, 3).
    labels (Sequence[str]): The labels.
    seed (int): Seed of the draws.
    RETURNS (Dict[str, Any]): "p", "r", "f" as [low, high]; "labels", the interval of the
        F-score of each label, `None` for a label in fewer than two documents;
        "n_samples" and "seed". Empty with fewer than two documents.
    """
    if len(counts) < 2 or not counts.sum():
        return {}
    sums = resample(counts, seed=seed)
    shares, label_shares = compute_shares(sums.sum(axis=1)), compute_shares(sums)[..., 2]
    n_docs = counts.any(axis=2).sum(axis=0)  # Shape: (n_labels,)
    found: Scores = {key: _find_interval(shares[:, i]) for i, key in enumerate("prf")}
    found["labels"] = {
        label: _find_interval(label_shares[:, i]) if n_docs[i] > 1 else None
        for i, label in enumerate(labels)
    }
    return {**found, "n_samples": len(sums), "seed": seed}


def _find_interval(shares: np.ndarray) -> list[float]:
    known = shares[~np.isnan(shares)]
    # If a score is undefined in all samples, it counts as 0, as in `Counts`.
    return np.percentile(known, [2.5, 97.5]).tolist() if len(known) else [0.0, 0.0]


def compare_counts(ours: np.ndarray, others: np.ndarray, *, seed: int) -> dict[str, Any]:
    """Compare two models on the same documents.

    The interval comes from a paired bootstrap. The p-value comes from an approximate
    randomisation test (Yeh 2000): how often the difference is at least as large
    when the two results of each document are swapped at random.

    ours (ndarray): Counts of each document. Shape: (n_docs, 3).
    others (ndarray): The other model's. Shape: (n_docs, 3).
    seed (int): Seed of the draws.
    RETURNS (Dict[str, Any]): "f_difference" (ours minus the other's), "interval" (95 %,
        [low, high], `None` with fewer than two documents), "p_value", "n_samples", "seed".
    """
    both = np.stack([ours, others], axis=1)

    def subtract(sums: np.ndarray) -> np.ndarray:
        # If the score of only one model is undefined, it counts as 0.
        shares = compute_shares(sums)[..., 2]
        known = np.where(
            np.isnan(shares).all(axis=-1, keepdims=True), np.nan, np.nan_to_num(shares)
        )
        return known[..., 0] - known[..., 1]

    difference = float(np.nan_to_num(subtract(both.sum(axis=0))))
    interval = None
    if len(both) > 1:
        interval = _find_interval(subtract(resample(both, seed=seed)))
    rng = np.random.default_rng(seed)
    total, n_extreme = both.sum(axis=0), 0
    for start in range(0, N_SAMPLES, BLOCK):
        swaps = rng.integers(0, 2, size=(min(BLOCK, N_SAMPLES - start), len(both)))
        # Swapping a document moves its difference from one model to the other.
        moved = swaps @ (ours - others)
        sums = np.stack([total[0] - moved, total[1] + moved], axis=1)
        changed = np.abs(np.nan_to_num(subtract(sums)))
        n_extreme += int((changed >= abs(difference) - 1e-12).sum())
    return {
        "f_difference": difference,
        "interval": interval,
        "p_value": (n_extreme + 1) / (N_SAMPLES + 1),
        "n_samples": N_SAMPLES,
        "seed": seed,
    }
