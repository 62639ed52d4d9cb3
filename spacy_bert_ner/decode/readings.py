"""Tag scores of one doc → its most probable sets of entities."""

import numpy as np

from ..tag.tag_set import Span, TagSet, path_to_spans
from ..tag.words import Words
from .best_path import find_best_paths
from .entities import TagModel
from .marginals import sum_paths


def find_readings(
    scores: np.ndarray, words: Words, model: TagModel, temperature: float, k: int
) -> list[tuple[list[Span], float]]:
    """Find the k most probable readings of one doc.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    words (Words): The words of the doc; there is at least one.
    model (TagModel): The tags and steps.
    temperature (float): Divisor of the scores.
    k (int): Number of readings; fewer if there are not that many.
    RETURNS (List[Tuple[List[Tuple[int, int, str]], float]]): The entities of each
        reading, in tokens, and the weighted share of all valid paths that have exactly
        these entities; best first.
    RAISES (ValueError): If the scheme is IOB1 and steps are learned.
    """
    scores, steps = scores.astype(np.float64) / temperature, model.steps / temperature
    log_sum = sum_paths(scores, words.is_start, steps).log_sum
    scores, steps = join_openers(scores, steps, model.tag_set)
    paths, sums = find_best_paths(scores, words.is_start, steps, k)
    spans = [path_to_spans(path, words.tokens, model.tag_set) for path in paths]
    return list(zip(spans, np.exp(sums - log_sum).tolist(), strict=True))


def join_openers(
    scores: np.ndarray, steps: np.ndarray, tag_set: TagSet
) -> tuple[np.ndarray, np.ndarray]:
    """Keep one path for each reading, with the sum of all paths of that reading.

    Only IOB1 has several. If both "B-" and "S-" may begin an entity, "S-" gets the
    weight of both, and "B-" is forbidden.

    scores (ndarray): Scores of each word's tags. Shape: (n_words, n_tags).
    steps (ndarray): The result of `build_steps`. Shape: (n_tags + 1, n_tags + 1).
    tag_set (TagSet): The tags.
    RETURNS (Tuple[ndarray, ndarray]): New scores and steps, in the same shapes.
    RAISES (ValueError): If the scheme is IOB1 and steps are learned.
    """
    number = {tag: i for i, tag in enumerate(tag_set.tags)}
    pairs = [(number[f"B-{tag[2:]}"], i) for tag, i in number.items() if tag.startswith("S-")]
    if pairs and steps[np.isfinite(steps)].any():
        raise ValueError(
            "A head with the scheme IOB1 and learned steps has several paths for each reading, "
            "with different weights, so its readings can't be ranked. Use another scheme, or a "
            'head with decoder = "valid".'
        )
    joined, left = scores.copy(), steps.copy()
    for first, second in pairs:
        joined[:, second] = np.logaddexp(scores[:, first], scores[:, second])
        left[np.isfinite(steps[:, second]), first] = -np.inf
    return joined, left
