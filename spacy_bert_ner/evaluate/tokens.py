"""Gold and found tags → accuracy, and scores of each tag, as tutorials report them."""

from collections import Counter
from collections.abc import Sequence

from ..schemes import tags_to_spans
from .counts import Counts, Scores, average, count_spans, sum_counts
from .lines import Line
from .rules import TagPair


def list_tag_pairs(lines: Sequence[Line]) -> list[TagPair]:
    """List the gold and found tags of each line, except where nobody annotated."""
    pairs: list[TagPair] = []
    for line in lines:
        gold, found = line.gold_tags, line.found_tags
        if line.missing:
            known = [i for i in range(len(gold)) if i not in line.missing]
            gold, found = [gold[i] for i in known], [found[i] for i in known]
        pairs.append((gold, found))
    return pairs


def score_tags(pairs: Sequence[TagPair]) -> Scores:
    """Score individual tags, as scikit-learn's `classification_report` prints them.

    pairs (Sequence[Tuple[Sequence[str], Sequence[str]]]): Gold and found tags.
    RETURNS (Dict[str, Any]): "accuracy", "accuracy_of_only_o" (the accuracy
        of finding nothing; both `None` without tags), "tags" (scores and support of each
        tag on either side), "macro" and "weighted".
    """
    right: Counter[str] = Counter()
    found_tags: Counter[str] = Counter()
    gold_tags: Counter[str] = Counter()
    for gold, found in pairs:
        right.update(a for a, b in zip(gold, found, strict=True) if a == b)
        found_tags.update(found)
        gold_tags.update(gold)
    tags = {
        tag: Counts(right[tag], found_tags[tag], gold_tags[tag]).to_scores()
        for tag in sorted(found_tags.keys() | gold_tags.keys())
    }
    n_tags = gold_tags.total()
    return {
        "accuracy": right.total() / n_tags if n_tags else None,
        "accuracy_of_only_o": gold_tags["O"] / n_tags if n_tags else None,
        "n_tags": n_tags,
        "tags": tags,
        "macro": average(list(tags.values()), [1] * len(tags)),
        "weighted": average(list(tags.values()), [gold_tags[tag] for tag in tags]),
    }


def score_pieces(pairs: Sequence[TagPair], lengths: Sequence[Sequence[int]]) -> Scores:
    """Score tags repeated for each wordpiece, as the first BERT tutorials do.

    Each piece of a `B-` word is then a separate entity, so long words count more than
    once. Use this only to compare with the figures of such tutorials.

    pairs (Sequence[Tuple[Sequence[str], Sequence[str]]]): Gold and found tags.
    lengths (Sequence[Sequence[int]]): Pieces of each word.
    RETURNS (Dict[str, Any]): Micro scores.
    """
    repeated = []
    for pair, counts in zip(pairs, lengths, strict=True):
        gold, found = (_repeat(tags, counts) for tags in pair)
        repeated.append((tags_to_spans(gold), tags_to_spans(found)))
    return sum_counts(count_spans(repeated).values()).to_scores()


def _repeat(tags: Sequence[str], counts: Sequence[int]) -> list[str]:
    return [tag for tag, n in zip(tags, counts, strict=True) for _ in range(n)]
