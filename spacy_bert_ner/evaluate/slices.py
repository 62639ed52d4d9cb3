"""Lines → scores by length, and scores of entities seen in training or new."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from spacy.training.corpus import walk_corpus
from spacy.vocab import Vocab

from ..corpus.docbin import GroupCorpus
from ..schemes import Span
from .counts import Counts, Scores
from .lines import Line

SeenLabels = Mapping[str, frozenset[str]]
"""Text of an entity in the training data → its labels there."""

LENGTHS = (1, 2, 3, 4, 6)
SENTENCE_LENGTHS = (1, 10, 20, 30, 40, 60)


def slice_scores(lines: Sequence[Line], find_slice: Callable[[Line, Span], str]) -> Scores:
    """Score the entities of each slice separately.

    Precision counts the found entities in the slice, recall the gold ones.

    lines (Sequence[Line]): The lines.
    find_slice (Callable[[Line, Tuple[int, int, str]], str]): Returns the name of an entity's slice.
    RETURNS (Dict[str, Any]): Scores and counts of each slice that has entities.
    """
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in lines:
        gold, found = set(line.gold), set(line.found)
        for column, spans in enumerate((gold & found, found, gold)):
            for span in spans:
                sums[find_slice(line, span)][column] += 1
    return {name: Counts(*row).to_scores() for name, row in sums.items()}


def score_lengths(lines: Sequence[Line]) -> Scores:
    """Score entities by their length in words, and by the length of their sentence or doc.

    lines (Sequence[Line]): The lines, of the corpus's own words.
    RETURNS (Dict[str, Any]): "entity_length" and "sentence_length": scores by range,
        shortest first.
    """

    def find_length(line: Line, span: Span) -> str:
        return name_range(span[1] - span[0], LENGTHS)

    def find_sentence_length(line: Line, span: Span) -> str:
        return name_range(len(line.units), SENTENCE_LENGTHS)

    by_entity = slice_scores(lines, find_length)
    by_sentence = slice_scores(lines, find_sentence_length)
    names = [name_range(n, LENGTHS) for n in LENGTHS]
    sentence_names = [name_range(n, SENTENCE_LENGTHS) for n in SENTENCE_LENGTHS]
    return {
        "entity_length": {name: by_entity[name] for name in names if name in by_entity},
        "sentence_length": {x: by_sentence[x] for x in sentence_names if x in by_sentence},
    }


def name_range(n: int, firsts: Sequence[int]) -> str:
    """Get the name of the range that contains a number.

    n (int): The number.
    firsts (Sequence[int]): The first number of each range.
    RETURNS (str): Its name.

    EXAMPLE:
        >>> name_range(1, (1, 2, 4)), name_range(3, (1, 2, 4)), name_range(9, (1, 2, 4))
        ('1', '2–3', '4+')
    """
    i = max((i for i, first in enumerate(firsts) if first <= n), default=0)
    if i + 1 == len(firsts):
        return f"{firsts[i]}+"
    last = firsts[i + 1] - 1
    return f"{firsts[i]}" if last == firsts[i] else f"{firsts[i]}–{last}"


def read_seen(path: Path) -> SeenLabels:
    """Read the entities of the training data.

    path (Path): The training data, a `.spacy` file or a folder of them.
    RETURNS (Dict[str, FrozenSet[str]]): Text of an entity → its labels.
    RAISES (ValueError): If there is no such file, or it is damaged.
    """
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for doc in GroupCorpus(path).read_docbin(Vocab(), walk_corpus(path, ".spacy")):
        for ent in doc.ents:
            seen[_normalize(ent.text)].add(ent.label_)
    return {text: frozenset(labels) for text, labels in seen.items()}


def score_seen(lines: Sequence[Line], seen: SeenLabels) -> Scores:
    """Score entities by whether the training data contains them.

    lines (Sequence[Line]): The lines.
    seen (Mapping[str, FrozenSet[str]]): The result of `read_seen`.
    RETURNS (Dict[str, Any]): Scores of "seen" (the same text with the same label), "seen
        with another label" and "new".
    """

    def find_slice(line: Line, span: Span) -> str:
        labels = seen.get(_normalize(line.get_text(span)))
        if labels is None:
            return "new"
        return "seen" if span[2] in labels else "seen with another label"

    found = slice_scores(lines, find_slice)
    return {x: found[x] for x in ("seen", "seen with another label", "new") if x in found}


def _normalize(text: str) -> str:
    return " ".join(text.split())
