"""Sentences and what must stay together → the part that each goes to, no repeat on two sides."""

import random
from collections import Counter
from collections.abc import Hashable, Sequence

PARTS = ("train", "dev", "test")
"""The parts of a corpus, in the order of `80/10/10`."""

LEFT_OUT = -1
"""The number of the part of what is not written."""


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
    if not 2 <= len(numbers) <= len(PARTS) or not all(0 < n < float("inf") for n in numbers):
        raise ValueError(
            f"Split '{text}', expected shares of train/dev/test such as 80/10/10, "
            "or of train/dev such as 90/10."
        )
    return tuple(number / sum(numbers) for number in numbers)


def draw_parts(
    groups: Sequence[Hashable],
    shares: Sequence[float],
    *,
    seed: int,
    labels: Sequence[Sequence[str]] | None = None,
) -> list[int]:
    """Draw a part for each sentence; the sentences of a group share it.

    Each part comes as near to its share of the sentences as whole groups allow. With
    labels, the groups of each rarest label are shared out on their own, and go first to
    parts that lack it: iterative stratification (Sechidis et al., 2011), made simple.

    groups (Sequence[Hashable]): The group of each sentence.
    shares (Sequence[float]): Share of each part; they sum to 1.
    seed (int): The same seed draws the same parts.
    labels (Sequence[Sequence[str]] | None): Labels of each sentence, to stratify by.
    RETURNS (list[int]): Number of the part of each sentence.
    """
    sizes = Counter(groups)  # in order of first occurrence: hash seeds play no part
    strata = {"": list(sizes)} if labels is None else _stratify(groups, labels)
    labels_of: dict[Hashable, set[str]] = {group: set() for group in sizes}
    for group, names in zip(groups, labels or [()] * len(groups), strict=True):
        labels_of[group].update(names)
    rng = random.Random(seed)
    part_of: dict[Hashable, int] = {}
    missing = [0.0] * len(shares)  # sentences that a part still lacks, over all strata
    present: list[set[str]] = [set() for _ in shares]  # labels that a part has
    for label, stratum in strata.items():
        rng.shuffle(stratum)
        total = sum(sizes[group] for group in stratum)
        missing = [lack + share * total for lack, share in zip(missing, shares, strict=True)]
        for group in stratum:
            lacking = [labels_of[group] - has for has in present]
            wants = [(label in new, len(new), n) for new, n in zip(lacking, missing, strict=True)]
            part = wants.index(max(wants))
            part_of[group] = part
            missing[part] -= sizes[group]
            present[part] |= labels_of[group]
    return [part_of[group] for group in groups]


def find_leaks(keys: Sequence[Hashable], parts: Sequence[int]) -> list[int]:
    """Find the sentences whose words a later part has too.

    keys (Sequence[Hashable]): What makes sentences the same, one for each.
    parts (Sequence[int]): Their parts; what is left out does not count.
    RETURNS (list[int]): Indices of the sentences in the earlier part.
    """
    last: dict[Hashable, int] = {}
    for key, part in zip(keys, parts, strict=True):
        last[key] = max(part, last.get(key, LEFT_OUT))
    return [
        i
        for i, (key, part) in enumerate(zip(keys, parts, strict=True))
        if part != LEFT_OUT and part < last[key]
    ]


def draw_sample(
    groups: Sequence[Hashable],
    n: int,
    *,
    seed: int,
    labels: Sequence[Sequence[str]] | None = None,
) -> set[Hashable]:
    """Draw n groups; with labels, first one for each rarest label.

    groups (Sequence[Hashable]): The group of each sentence.
    n (int): Groups to draw; 0, or as many as there are, takes all.
    seed (int): The same seed draws the same groups.
    labels (Sequence[Sequence[str]] | None): Labels of each sentence.
    RETURNS (set[Hashable]): The groups drawn.
    """
    order = list(dict.fromkeys(groups))
    if n <= 0 or n >= len(order):
        return set(order)
    rng = random.Random(seed)
    rng.shuffle(order)
    if labels is not None:
        rank = {group: i for i, group in enumerate(order)}
        strata = _stratify(groups, labels).values()
        firsts = [min(stratum, key=rank.__getitem__) for stratum in strata]
        order = list(dict.fromkeys([*firsts, *order]))
    return set(order[:n])


def _stratify(
    groups: Sequence[Hashable], labels: Sequence[Sequence[str]]
) -> dict[str, list[Hashable]]:
    # groups by the rarest of their labels, the rarest label first, those without any last
    counts = Counter(label for sentence in labels for label in sentence)
    names = [*(name for name, _ in counts.most_common()[::-1]), ""]
    rarity = {name: rank for rank, name in enumerate(names)}
    rarest: dict[Hashable, int] = {}
    for group, sentence in zip(groups, labels, strict=True):
        rank = min((rarity[name] for name in sentence), default=rarity[""])
        rarest[group] = min(rank, rarest.get(group, rank))
    strata: dict[str, list[Hashable]] = {name: [] for name in names}
    for group, rank in rarest.items():
        strata[names[rank]].append(group)
    return {name: stratum for name, stratum in strata.items() if stratum}
