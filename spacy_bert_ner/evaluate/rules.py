"""Tags, well-formed or not → entities, by the rules of each evaluation tool."""

from collections.abc import Callable, Sequence

from spacy.training import iob_to_biluo

from ..schemes import Span, find_strays, tags_to_spans
from .counts import Scores, count_spans, sum_counts

TagPair = tuple[Sequence[str], Sequence[str]]
"""Gold and found IOB2 tags of one line."""


def read_strictly(tags: Sequence[str]) -> list[Span]:
    """Read IOB2 tags as seqeval's strict mode does.

    Only `B` begins an entity; a stray `I` belongs to no entity, and ends the one before
    it.

    tags (Sequence[str]): IOB2 tags.
    RETURNS (List[Tuple[int, int, str]]): The entities.

    EXAMPLE:
        >>> read_strictly(["I-PER", "O", "B-PER", "I-LOC", "I-LOC"])
        [(2, 3, 'PER')]
    """
    spans: list[Span] = []
    for i, tag in enumerate(tags):
        if tag[0] == "B":
            spans.append((i, i + 1, tag[2:]))
        elif tag[0] == "I" and spans and spans[-1][1:] == (i, tag[2:]):
            spans[-1] = (spans[-1][0], i + 1, tag[2:])
    return spans


def read_as_spacy(tags: Sequence[str]) -> list[Span]:
    """Read IOB2 tags as `spacy convert` does, before its `Scorer` sees entities.

    tags (Sequence[str]): IOB2 tags.
    RETURNS (List[Tuple[int, int, str]]): The entities.
    """
    return tags_to_spans(iob_to_biluo(tags))


# conlleval and seqeval's default mode have the same rule as `tags_to_spans`.
RULES: dict[str, Callable[[Sequence[str]], list[Span]]] = {
    "spacy": read_as_spacy,
    "conlleval": tags_to_spans,
    "seqeval": tags_to_spans,
    "seqeval strict": read_strictly,
}


def score_by_rules(pairs: Sequence[TagPair]) -> Scores:
    """Score the same tags by the rules of each tool.

    pairs (Sequence[Tuple[Sequence[str], Sequence[str]]]): Gold and found tags.
    RETURNS (Dict[str, Any]): "rules", the micro scores by name of the tool, and
        "ill_formed", how many found tags fit no IOB2 entity.
    """
    rules = {}
    for name, read in RULES.items():
        counts = count_spans((read(gold), read(found)) for gold, found in pairs)
        rules[name] = sum_counts(counts.values()).to_scores()
    n_strays = sum(len(find_strays(found, "IOB2")) for _, found in pairs)
    return {"rules": rules, "ill_formed": n_strays}
