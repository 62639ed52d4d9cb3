"""Sentences and what models say of them → places whose labels may be wrong, worst first."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ..schemes import Span
from .consistency import LabelTable
from .judge import Judgement, Place
from .sentences import GoldSentence, name_place, to_chars
from .tasks import Task, doc_to_data

KINDS = ("label", "border", "label and border", "missed", "invented", "inconsistent")
"""What may be wrong with the gold: the label, a border, both; an entity that it lacks; one
that should not be there; a label that differs from that of the same text elsewhere."""


FLOOR = 0.01
"""How exact the probabilities are: one of 1e-9 says no more than one of 1e-4."""


class Candidate(NamedTuple):
    """A place in a sentence whose gold labels may be wrong.

    id (str): Names the place; `apply-corrections` finds it by this.
    kind (str): One of `KINDS`.
    gold_probability (float): Probability of the gold reading of the place.
    proposed_probability (float | None): Probability of the proposed one; `None` if the
        model does not propose it, but other places do.
    doc (Doc): The sentence, with its gold entities.
    gold (Tuple[Tuple[int, int, str], ...]): Those at the place, in tokens of the sentence.
    proposed (Tuple[Tuple[int, int, str], ...]): The proposed ones.
    elsewhere (Dict[str, int]): How often the same text has each label in like contexts.
    """

    id: str
    kind: str
    gold_probability: float
    proposed_probability: float | None
    doc: Doc
    gold: tuple[Span, ...]
    proposed: tuple[Span, ...]
    elsewhere: dict[str, int]

    @property
    def reading(self) -> list[Span]:
        """The entities of the whole sentence if the proposal is right, in tokens."""
        ents = [(ent.start, ent.end, ent.label_) for ent in self.doc.ents]
        return sorted([*(ent for ent in ents if ent not in self.gold), *self.proposed])


def find_candidates(
    sentences: Sequence[GoldSentence], judgements: Sequence[Judgement]
) -> list[Candidate]:
    """Rank the places where the gold is improbable, or unlike the same text elsewhere.

    sentences (Sequence[GoldSentence]): The sentences.
    judgements (Sequence[Judgement]): What a model that did not learn from a sentence says
        of it. Shape: (n_sentences,).
    RETURNS (List[Candidate]): The least probable gold, next to what is proposed, first.
    """
    table = LabelTable([sentence.gold for sentence in sentences])
    found = []
    for sentence, judgement in zip(sentences, judgements, strict=True):
        for place in judgement.places:
            if place.gold != place.found:
                kind = name_kind(place.gold, place.found)
                found.append(make_candidate(sentence, place, kind, table))
                continue
            start, end, _ = place.gold[0]
            other = table.find_other_label(sentence.gold[start:end].ents[0])
            if other:
                changed = place._replace(found=((start, end, other),))
                made = make_candidate(sentence, changed, "inconsistent", table)
                found.append(made._replace(proposed_probability=None))
    return sorted(found, key=_rank)


def _rank(candidate: Candidate) -> tuple[float, str]:
    gold, proposed = candidate.gold_probability, candidate.proposed_probability or 0.0
    return (gold + FLOOR) / (proposed + FLOOR), candidate.id


def name_kind(gold: Sequence[Span], found: Sequence[Span]) -> str:
    """Name what is wrong with the gold if the other reading is right.

    EXAMPLE:
        >>> name_kind([(0, 1, "A")], [(0, 2, "A")]), name_kind([], [(0, 1, "A")])
        ('border', 'missed')
    """
    if not gold or not found:
        return "invented" if gold else "missed"
    if [span[:2] for span in gold] == [span[:2] for span in found]:
        return "label"
    labels = [{label for _, _, label in spans} for spans in (gold, found)]
    return "border" if labels[0] == labels[1] else "label and border"


def make_candidate(sentence: GoldSentence, place: Place, kind: str, table: LabelTable) -> Candidate:
    """Describe a place in characters, with what the rest of the data says of it."""
    doc = sentence.gold
    gold = [ent for ent in doc.ents if (ent.start, ent.end, ent.label_) in place.gold]
    return Candidate(
        id=name_place(sentence, place.start, place.end),
        kind=kind,
        gold_probability=place.gold_prob,
        proposed_probability=place.found_prob,
        doc=doc,
        gold=place.gold,
        proposed=place.found,
        elsewhere=table.count_others(gold[0]) if gold else {},
    )


def candidate_to_json(candidate: Candidate) -> dict[str, Any]:
    """Write a candidate as a JSON object; entities are in characters of the sentence."""
    text = candidate.doc.text
    values = candidate._asdict()
    values["text"] = values.pop("doc").text
    for key in ("gold", "proposed"):
        values[key] = [
            {"start": start, "end": end, "label": label, "text": text[start:end]}
            for start, end, label in to_chars(candidate.doc, values[key])
        ]
    return values


def candidate_to_task(candidate: Candidate) -> Task:
    """Write a candidate as a task whose filled-in reading is the proposal."""
    info = {
        "kind": candidate.kind,
        "probability": f"{100 * candidate.gold_probability:.2g} %",
        "gold": describe_spans(candidate.doc, candidate.gold),
        "proposed": describe_spans(candidate.doc, candidate.proposed),
    }
    data = doc_to_data(candidate.doc, candidate.reading)
    before = to_chars(candidate.doc, [(x.start, x.end, x.label_) for x in candidate.doc.ents])
    return Task(candidate.id, data, info, candidate.proposed_probability or 0.0, before)


def candidate_to_row(candidate: Candidate) -> list[Any]:
    """Write a candidate as the cells of a table; see `CSV_COLUMNS`."""
    info = candidate_to_task(candidate).info
    spans = json.dumps(to_chars(candidate.doc, candidate.proposed))
    return [candidate.id, "", *info.values(), candidate.doc.text, spans]


def describe_spans(doc: Doc, spans: Sequence[Span]) -> str:
    """Describe entities in words, such as "Oslo (LOC)"; "nothing" if there are none."""
    return ", ".join(f"{doc[a:b].text} ({label})" for a, b, label in spans) or "nothing"


def write_candidates(candidates: Iterable[Candidate], path: Path) -> None:
    """Write candidates as JSON lines."""
    with path.open("w", encoding="utf8") as file:
        for candidate in candidates:
            file.write(json.dumps(candidate_to_json(candidate), ensure_ascii=False) + "\n")
