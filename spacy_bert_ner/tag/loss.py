"""Tag scores and gold tags → the loss of individual tags, and its gradient."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..ranges import check_range
from .tag_set import TagSet

BALANCED = "balanced"


class TagLoss(NamedTuple):
    """The settings of the loss of individual tags; see `make_tag_loss_v1`."""

    class_weights: str | dict[str, float] | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0


def make_tag_loss_v1(
    class_weights: str | dict[str, float] | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
) -> TagLoss:
    """Create the loss of `bert_ner`: the cross-entropy of each word's tag.

    Entry point: spacy-bert-ner.TagLoss.v1.

    class_weights (str | Dict[str, float] | None): Weight of each gold tag, by tag
        ("B-PER"), label ("PER") or "O"; 1 for the others. "balanced" gives all tags the
        same total weight.
    label_smoothing (float): Share of the target that is spread over all tags (Szegedy
        et al. 2016), from 0 to below 1.
    focal_gamma (float): How strongly to reduce the loss of words that are already
        right: it is multiplied by (1 - probability) ** gamma (Lin et al. 2017). 0 turns
        this off.
    RETURNS (TagLoss): The settings.
    RAISES (ValueError): If a setting is out of range.
    """
    if isinstance(class_weights, str) and class_weights != BALANCED:
        raise ValueError(
            f'class_weights is "{class_weights}", expected "{BALANCED}", null, or weights by tag, '
            'label or "O", such as {"O": 0.5, "PER": 2.0}.'
        )
    for tag, weight in class_weights.items() if isinstance(class_weights, dict) else ():
        check_range(f"class_weights.{tag}", weight, 0)
    check_range("label_smoothing", label_smoothing, 0, below=1)
    check_range("focal_gamma", focal_gamma, 0)
    return TagLoss(class_weights, label_smoothing, focal_gamma)


def weigh_tags(
    class_weights: Mapping[str, float] | None, tag_set: TagSet, *, name: str
) -> np.ndarray:
    """Get the weight of each tag.

    class_weights (Mapping[str, float] | None): Weights by tag, label or "O"; the
        weight of a tag takes precedence over that of its label.
    tag_set (TagSet): The tags.
    name (str): Name of the component, for the error.
    RETURNS (ndarray): Shape: (n_tags,).
    RAISES (ValueError): If there is a weight for an unknown tag or label, or all are 0.
    """
    given = dict(class_weights or {})
    unknown = given.keys() - {*tag_set.tags, *tag_set.labels[1:]}
    if unknown:
        raise ValueError(
            f"class_weights of '{name}' has {', '.join(sorted(map(repr, unknown)))}, expected "
            f"tags or labels of the model: {', '.join(dict.fromkeys(tag_set.labels[1:]))}, 'O'."
        )
    weights = [
        given.get(tag, given.get(label, 1.0))
        for tag, label in zip(tag_set.tags, tag_set.labels, strict=True)
    ]
    if not any(weights):
        raise ValueError(
            f"class_weights of '{name}' are 0 for all tags, so it would learn nothing. Give at "
            "least one tag or label more than 0."
        )
    return np.asarray(weights, dtype=np.float64)


def balance_tags(counts: Sequence[int]) -> list[float]:
    """Compute weights that give all tags the same total.

    counts (Sequence[int]): How often each tag occurs. Shape: (n_tags,).
    RETURNS (List[float]): n / (number of tags that occur * count); 1 for tags
        that do not occur.
    """
    n_kinds = sum(count > 0 for count in counts)
    total = sum(counts)
    return [round(total / (n_kinds * count), 6) if count else 1.0 for count in counts]


def compute_tag_loss(
    scores: np.ndarray, possible: np.ndarray, tag_weights: np.ndarray, settings: TagLoss
) -> tuple[float, np.ndarray]:
    """Compute the weighted mean loss of the words of which something is known.

    It is computed from the total probability of a word's possible tags: of its gold tag if
    everything was annotated.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    possible (ndarray): The result of `list_possible_tags`. Shape: (n_words, n_tags).
    tag_weights (ndarray): Weight of a word, by its gold tag, or "O" if others are
        possible too. Shape: (n_tags,).
    settings (TagLoss): Label smoothing and focal gamma.
    RETURNS (Tuple[float, ndarray]): The loss in nats, and d_scores in the shape of
        the scores.
    """
    d_scores = np.zeros(scores.shape)
    rows = np.flatnonzero(~possible.all(axis=1))
    # Column 0 is "O".
    weights = tag_weights[possible[rows].argmax(axis=1)]
    if not weights.sum():
        return 0.0, d_scores
    weights = weights / weights.sum()
    log_probs = find_log_probs(scores[rows])
    probs = np.exp(log_probs)
    found = np.where(possible[rows], log_probs, -np.inf)
    best = found.max(axis=1)
    log_gold = best + np.log(np.exp(found - best[:, None]).sum(axis=1))
    # The share of each possible tag in their probability. Shape: (n_known, n_tags)
    shares = np.exp(found - log_gold[:, None])
    smoothing = settings.label_smoothing
    losses = -(1 - smoothing) * log_gold - smoothing * log_probs.mean(axis=1)
    gradient = probs - (1 - smoothing) * shares - smoothing / scores.shape[1]
    if settings.focal_gamma:
        p_gold = np.exp(log_gold)
        # Stay away from 0, where a power below 1 has no slope.
        rest = np.maximum(1 - p_gold, 1e-12)
        focus = rest**settings.focal_gamma
        slope = -settings.focal_gamma * rest ** (settings.focal_gamma - 1) * p_gold
        gradient = focus[:, None] * gradient + (slope * losses)[:, None] * (shares - probs)
        losses = focus * losses
    d_scores[rows] = weights[:, None] * gradient
    return float((weights * losses).sum()), d_scores


def compute_taught_tag_loss(scores: np.ndarray, probs: np.ndarray) -> tuple[float, np.ndarray]:
    """Compute the mean cross-entropy of each word's tags with those of a teacher.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    probs (ndarray): What the teacher believes. Shape: (n_words, n_tags).
    RETURNS (Tuple[float, ndarray]): The loss in nats, and d_scores in the shape of the scores.
    """
    log_probs = find_log_probs(scores)
    n = len(scores)
    return float(-(probs * log_probs).sum()) / n, (np.exp(log_probs) - probs) / n


def find_log_probs(scores: np.ndarray) -> np.ndarray:
    """Get the log of the probability of each tag, whatever the tags of other words."""
    X = scores.astype(np.float64)
    X -= X.max(axis=1, keepdims=True)
    return X - np.log(np.exp(X).sum(axis=1, keepdims=True))
