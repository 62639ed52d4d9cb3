"""Sentences' hashes → which part each of them goes to, no repeat on two sides."""

import random
from collections.abc import Hashable, Sequence

PARTS = ("train", "dev", "test")
"""The parts of a corpus, in the order of `80/10/10`."""


def parse_split(text: str) -> tuple[float, ...]:
    """Read `80/10/10` as shares that sum to 1.

    RAISES (ValueError): Unless there are two or three positive numbers.

    EXAMPLE:
        >>> parse_split("80/10/10")
        (0.8, 0.1, 0.1)
    """
    try:
        numbers = [float(number) for number in text.split("/")]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= len(PARTS) or min(numbers) <= 0 or sum(numbers) == float("inf"):
        raise ValueError(
            f"Split '{text}', expected shares of train/dev/test such as 80/10/10, "
            "or of train/dev such as 90/10."
        )
    return tuple(number / sum(numbers) for number in numbers)


def split_units(keys: Sequence[Hashable], shares: Sequence[float], *, seed: int) -> list[int]:
    """Draw a part for each unit, so that units with one key share a part.

    keys (Sequence[Hashable]): What makes units the same, one per unit.
    shares (Sequence[float]): Share of each part; they sum to 1.
    seed (int): The same seed draws the same parts.
    RETURNS (list[int]): Number of the part of each unit.
    """
    sizes: dict[Hashable, int] = {}
    for key in keys:
        sizes[key] = sizes.get(key, 0) + 1
    order = list(sizes)  # first occurrence, so that the hash seed plays no part
    random.Random(seed).shuffle(order)
    part_of: dict[Hashable, int] = {}
    filled, wanted = 0, [round(share * len(keys)) for share in shares]
    part = len(shares) - 1  # the small parts first: they come out exact
    for key in order:
        while part > 0 and filled >= wanted[part]:
            part, filled = part - 1, 0
        part_of[key] = part
        filled += sizes[key]
    return [part_of[key] for key in keys]


def sample(indices: Sequence[int], n: int, *, seed: int) -> list[int]:
    """Draw n of the indices, kept in order; all of them if n is 0 or too many."""
    if n <= 0 or n >= len(indices):
        return list(indices)
    return sorted(random.Random(seed).sample(list(indices), n))
