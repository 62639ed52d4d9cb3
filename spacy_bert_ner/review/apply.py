"""A corpus and answers → the corpus with the labels that the answers give."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.tokens import Span as DocSpan
from spacy.vocab import Vocab

from ..corpus.docbin import read_docs
from ..files import replaced_files
from ..schemes import Span
from .answers import Answer
from .sentences import hash_words, split_doc

OUTCOMES = (
    "corrected",
    "confirmed",
    "annotators disagree",
    "border inside a token",
    "overlap with another answer",
)
"""What becomes of an answer; of the last three, the gold stays as it was."""


def apply_corrections(
    data: Path, answers: Iterable[Answer], output: Path, *, force: bool = False
) -> dict[str, int]:
    """Write a corpus again with the corrections that were accepted.

    data (Path): The corpus (`.spacy`) in which the places were found.
    answers (Iterable[Answer]): The answers. Several that differ about one place change
        nothing.
    output (Path): The new corpus.
    force (bool): Whether to replace an existing file.
    RETURNS (Dict[str, int]): Number of places with each of `OUTCOMES`.
    RAISES (ValueError): If a place is not in the corpus, or the corpus does not have a
        label that was typed.
    """
    docs = list(read_docs(data, Vocab()))
    labels = {ent.label_ for doc in docs for ent in doc.ents} | {"O", None}
    counts: Counter[str] = Counter()
    by_doc: defaultdict[int, list[tuple[Answer, DocSpan]]] = defaultdict(list)
    by_id: defaultdict[str, set[Answer]] = defaultdict(set)
    for answer in answers:
        by_id[answer.id].add(answer)
        if answer.label not in labels:
            raise ValueError(
                f"The answer {answer.label!r:.60} for {answer.id}, expected accept, reject, O or a "
                f"label of {data.name}: {', '.join(sorted(filter(None, labels - {'O'})))}."
            )
    for name, found in by_id.items():
        sent = find_sentence(name, docs, data)
        if len(found) > 1:
            counts["annotators disagree"] += 1
            continue
        by_doc[int(name.split("-")[0])].append((found.pop(), sent))
    for number, ours in by_doc.items():
        counts.update(correct_doc(docs[number], ours))
    with replaced_files(output.parent, force=force) as folder:
        DocBin(docs=docs, store_user_data=True).to_disk(folder / output.name)
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def count_gold(data: Path) -> int:
    """Count the gold entities of a corpus."""
    return sum(len(doc.ents) for doc in read_docs(data, Vocab()))


def find_sentence(name: str, docs: Sequence[Doc], data: Path) -> DocSpan:
    """Find the sentence of a place.

    name (str): The id of the place; see `name_place`.
    docs (Sequence[Doc]): The docs of the corpus.
    data (Path): The corpus, for messages.
    RETURNS (Span): The sentence.
    RAISES (ValueError): If it is not there, or has other words.
    """
    parts = name.split("-")
    is_id = len(parts) == 5 and all(part.isdecimal() for part in parts[:4])
    if is_id and int(parts[0]) < len(docs):
        for sent in split_doc(docs[int(parts[0])]):
            if sent.start == int(parts[1]) and hash_words(sent) == parts[4]:
                return sent
    raise ValueError(
        f"{data}: the place {name!r} is not there, expected the corpus in which "
        "`find-label-errors` found it, unchanged. Give that corpus, or find the errors again."
    )


def correct_doc(doc: Doc, answers: Sequence[tuple[Answer, DocSpan]]) -> list[str]:
    """Change the entities of a doc as some answers say.

    doc (Doc): The doc; it is changed.
    answers (Sequence[Tuple[Answer, Span]]): Answers, each with its sentence.
    RETURNS (List[str]): What became of each answer, one of `OUTCOMES`.
    """
    gold = {(ent.start, ent.end, ent.label_): ent for ent in doc.ents}
    current, outcomes = dict(gold), []
    for answer, sent in answers:
        if answer.spans is None:
            outcomes.append("confirmed")
            continue
        wanted = find_wanted(answer, sent)
        spans = place_spans(wanted, sent)
        if len(spans) < len(wanted):
            outcomes.append("border inside a token")
            continue
        start, end = sent.start, sent.end
        if not answer.is_whole:
            start, end = (int(part) for part in answer.id.split("-")[2:4])
        ours = {span for span in gold if start <= span[0] and span[1] <= end}
        if answer.before is not None:
            ours = set(place_spans(answer.before, sent))
        wrong, added = ours - spans.keys(), spans.keys() - ours
        changed = {span: ent for span, ent in current.items() if span not in wrong}
        changed |= {span: spans[span] for span in added}
        if has_overlaps(changed):
            outcomes.append("overlap with another answer")
            continue
        is_new = wrong & gold.keys() or added - gold.keys()
        outcomes.append("corrected" if is_new else "confirmed")
        current = changed
    write_entities(doc, list(current.values()))
    return outcomes


def place_spans(chars: Iterable[Span], sent: DocSpan) -> dict[Span, DocSpan]:
    """Find spans of characters of a sentence in its doc; those that cut a token are left out."""
    spans: dict[Span, DocSpan] = {}
    for start, end, label in chars:
        ent = sent.doc.char_span(sent.start_char + start, sent.start_char + end, label=label)
        if ent is not None:
            spans[ent.start, ent.end, label] = ent
    return spans


def find_wanted(answer: Answer, sent: DocSpan) -> list[Span]:
    """Find the entities that an answer gives, in characters of the sentence.

    A typed label is that of the proposed entities or, if none are proposed, of the place.
    """
    spans = list(answer.spans or ())
    if answer.label is None:
        return spans
    if answer.label == "O":
        return []
    first, last = (int(part) for part in answer.id.split("-")[2:4])
    place = sent.doc[first:last]
    own = (place.start_char - sent.start_char, place.end_char - sent.start_char)
    borders = [(start, end) for start, end, _ in spans] or [own]
    return [(start, end, answer.label) for start, end in borders]


def has_overlaps(spans: Iterable[Span]) -> bool:
    """Whether two spans share a token."""
    last = 0
    for start, end, _ in sorted(spans):
        if start < last:
            return True
        last = end
    return False


def write_entities(doc: Doc, ents: list[DocSpan]) -> None:
    """Set the entities of a doc; other tokens that nobody annotated stay missing."""
    taken = {i for ent in ents for i in range(ent.start, ent.end)}
    missing = [doc[t.i : t.i + 1] for t in doc if t.ent_iob == 0 and t.i not in taken]
    doc.set_ents(ents, missing=missing, default="outside")
