"""Labels and tags of all files → what looks like a mistake: in a map, in names, in repeats."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from itertools import combinations

from ..read.sentence import Notes
from ..schemes import KAGGLE_TO_ONTONOTES
from .annotated import check_annotated
from .survey import Survey

_MOST_PLACES = 20
_MOST_COMPARED = 300  # labels: each with each other one


def check_labels(
    surveys: Sequence[Survey], label_map: Mapping[str, str], annotated: Sequence[str] = ()
) -> None:
    """Refuse data without any entity, and labels that do not fit the data.

    surveys (Sequence[Survey]): The files.
    label_map (Mapping[str, str]): Label in the file → label to write.
    annotated (Sequence[str]): The only labels that were annotated; none if all were.
    RAISES (ValueError): Without an entity, if the label map has labels that the data do not
        have, or if there are entities with labels that were not annotated.
    """
    labels = sorted({label for survey in surveys for label in survey.entities})
    if not labels:
        files = ", ".join(survey.data.source.name for survey in surveys)
        if not all(survey.data.has_texts for survey in surveys):
            raise ValueError(
                f"{files}: no entity, every tag is O. Expected tags such as B-PER; if they are in "
                "another column, name it with `tag_column`."
            )
        what = "; ".join(filter(None, (survey.notes.describe() for survey in surveys)))
        raise ValueError(
            f"{files}: no entity, expected some. Annotate some in the texts, or give another file."
            + f" What was found in reading: {what}." * bool(what)
        )
    if annotated:
        mapped = [label_map.get(label, label) for label in labels]
        files = ", ".join(survey.data.source.name for survey in surveys)
        check_annotated(mapped, annotated, files)
    unknown = [label for label in label_map if label not in labels]
    if not unknown or (len(unknown) < len(label_map) and label_map == KAGGLE_TO_ONTONOTES):
        return  # the ready map may know labels that a slice of the corpus lacks
    found = []
    for label in unknown:
        near = _find_near(label, labels)
        found.append(f"'{label}'" + (f" (do you mean {' or '.join(near)}?)" if near else ""))
    raise ValueError(
        f"The label map has {', '.join(found)}, expected labels of the data: "
        f"{', '.join(labels[:50])}. Correct the names on the left, or leave them out."
    )


def note_similar_labels(labels: Collection[str], notes: Notes) -> None:
    """Note labels that may be meant to be one.

    They differ by case, blanks or the like, or by one letter. Of many labels, only the first
    ones are compared.

    labels (Collection[str]): The labels of the corpus.
    notes (Notes): Takes the pairs.
    """
    for label in sorted(labels):
        if label.startswith(("B-", "I-")):
            text = "labels that begin as tags do: write one span for an entity, without B- and I-"
            notes.add("label-like-tag", text, label)
    for one, other in combinations(sorted(labels)[:_MOST_COMPARED], 2):
        if _are_similar(one, other):
            text = "pairs of labels that differ by case, blanks or one letter: a typing error?"
            notes.add("similar-labels", text, f"{one!r} and {other!r}")


def find_conflicts(surveys: Sequence[Survey]) -> list[list[str]]:
    """Find sentences that occur again with other entities.

    surveys (Sequence[Survey]): The files.
    RETURNS (list[list[str]]): Places of each such sentence: the first of each annotation.
    """
    seen: set[int] = set()
    again: set[int] = set()
    for survey in surveys:
        for key in survey.keys:
            (again if key in seen else seen).add(key)
    if not again:
        return []
    # tags are comparable within one scheme only
    places: dict[tuple[int, str], dict[int, str]] = defaultdict(dict)
    for survey in surveys:
        name = survey.data.source.name
        for key, tags, line in zip(survey.keys, survey.tag_keys, survey.lines, strict=True):
            if key in again:
                places[key, survey.scheme].setdefault(tags, f"{name}:{line}")
    return [list(found.values()) for found in places.values() if len(found) > 1]


def note_conflicts(conflicts: Sequence[Sequence[str]], notes: Notes) -> None:
    """Note sentences that occur again with other entities."""
    text = "sentences that occur again with other entities: annotated twice, or by mistake?"
    for places in conflicts[:_MOST_PLACES]:
        notes.add("repeat-differs", text, " and ".join(places))
    if conflicts[_MOST_PLACES:]:
        notes.add("repeat-differs", text, count=len(conflicts) - _MOST_PLACES)


def _find_near(label: str, labels: Sequence[str]) -> list[str]:
    similar = [known for known in labels if _are_similar(label, known)]
    return similar or get_close_matches(label, labels, n=2)


def _are_similar(one: str, other: str) -> bool:
    plain, plain_other = _simplify(one), _simplify(other)
    if plain == plain_other:
        return True
    shorter, longer = sorted((plain, plain_other), key=len)
    if len(shorter) < 3 or len(longer) - len(shorter) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), -1)
    if at < 0:
        at = len(shorter)
    if longer[at].isdigit():
        return False  # a number tells labels apart: LOC1 and LOC2
    if len(shorter) == len(longer):
        swapped = shorter[:at] + shorter[at : at + 2][::-1] + shorter[at + 2 :]
        return shorter[at + 1 :] == longer[at + 1 :] or swapped == longer
    return shorter[at:] == longer[at + 1 :]


def _simplify(label: str) -> str:
    return "".join(char for char in label.casefold() if char.isalnum())
