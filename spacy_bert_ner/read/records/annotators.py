"""Several annotations or answers for the same text → one annotation of each text."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator

from ..sentence import FormatError, Notes
from .countings import OTHER_COUNTINGS, UTF16, Counting, count_cuts
from .text_records import AnnotatedText


class TextSurvey:
    """What a first pass over a file's records finds; it takes 8 bytes of memory per record.

    annotators (Counter[str]): Records of each annotator.
    repeated (dict[int, int]): Hash of a key → number of its records, if more than one.
    counting (Counting | None): How the tool counts, if not in characters.
    n_doubtful (int): Records in which both characters and UTF-16 units are plausible.
    """

    def __init__(self, records: Iterable[AnnotatedText]) -> None:
        """Pass over the records."""
        self.annotators: Counter[str] = Counter()
        self.n_doubtful = 0
        keys, cuts = array("q"), Counter[Counting | None]()
        for record in records:
            if record.annotator:
                self.annotators[record.annotator] += 1
            if record.key is not None:
                keys.append(hash(record.key))
            if record.spans and not record.is_checked:
                n_cuts = count_cuts(record.text, record.spans)
                cuts[None] += n_cuts
                for counting in OTHER_COUNTINGS:
                    is_other = convert_offsets(record, counting).spans != record.spans
                    n_others = (
                        counting.count_cuts(record.text, record.spans) if is_other else n_cuts
                    )
                    cuts[counting] += n_others
                    self.n_doubtful += is_other and counting == UTF16
        best = min(OTHER_COUNTINGS, key=cuts.__getitem__)
        # browsers are a likely reason, others must explain more
        least = 2 * cuts[best] if best == UTF16 else max(4 * cuts[best], 1)
        self.counting = best if cuts[None] > least else None
        self.n_doubtful *= cuts[UTF16] <= cuts[None] and self.counting is None
        counts = Counter(keys)
        self.repeated = {key: n for key, n in counts.items() if n > 1}


def merge_annotations(
    records: Iterable[AnnotatedText], survey: TextSurvey, annotator: str | None, notes: Notes
) -> Iterator[AnnotatedText]:
    """Merge all annotations of a text into one.

    If several complete ones exist, the one marked as right is used, otherwise the first;
    agreements and differences are counted. Binary answers about one text are combined.

    records (Iterable[AnnotatedText]): The records of a file.
    survey (TextSurvey): The first pass over them.
    annotator (str | None): Use only this person's annotations; None uses all.
    notes (Notes): Collects what was noticed.
    YIELDS (AnnotatedText): One for each text, at the place of its last annotation.
    """
    waiting: dict[int, list[AnnotatedText]] = {}
    for record in records:
        key = hash(record.key)
        if record.key is None or key not in survey.repeated:
            if annotator in (None, record.annotator):
                yield _note_binary(record, notes)
            else:
                _note_others(record, notes)
            continue
        group = waiting.setdefault(key, [])
        group.append(record)
        if len(group) == survey.repeated[key]:
            yield from _merge_group(waiting.pop(key), annotator, notes)


def check_annotator(annotator: str | None, survey: TextSurvey, name: str) -> None:
    """Refuse an annotator who is not in the file.

    RAISES (FormatError): Names the annotators of the file.
    """
    if annotator is not None and annotator not in survey.annotators:
        known = ", ".join(sorted(survey.annotators)[:20]) or "nobody's name"
        raise FormatError(
            name,
            f"no record of the annotator '{annotator}', expected one of those in the file: "
            f"{known}. Correct `annotator`, or leave it out.",
        )


def convert_offsets(record: AnnotatedText, counting: Counting) -> AnnotatedText:
    """RETURNS (AnnotatedText): The record, with its offsets converted to characters."""
    if record.is_checked or not counting.differs(record.text):
        return record
    spans = [counting.to_char_span(record.text, span) for span in record.spans]
    return record._replace(spans=spans)


def _merge_group(
    group: list[AnnotatedText], annotator: str | None, notes: Notes
) -> Iterator[AnnotatedText]:
    chosen = [record for record in group if annotator in (None, record.annotator)]
    for record in group:
        if record not in chosen:
            _note_others(record, notes)
    complete = [record for record in chosen if not record.is_binary]
    if not complete:
        if chosen:
            spans = sorted({span for record in chosen for span in record.spans})
            yield _note_binary(chosen[0]._replace(spans=spans), notes)
        return
    if len({record.annotator for record in group}) == 1 and group[0].task != group[1].task:
        yield from complete  # one annotator saw the text twice: the text is a repeat
        return
    best = next((record for record in complete if record.is_gold), complete[0])
    for other in chosen:
        if other is not best:
            _note_agreement(best, other, notes)
    yield best


def _note_agreement(best: AnnotatedText, other: AnnotatedText, notes: Notes) -> None:
    how = "the one marked as right is used" if best.is_gold else "the first one is used"
    place = best.task.place
    notes.add("several-annotations", f"further annotations of a text: {how}", place)
    mine, others = set(best.spans), set(other.spans)
    if mine & others:
        text = "entities in both of two annotations of a text"
        notes.add("annotators-agree", text, count=len(mine & others))
    for start, end, label in sorted(mine ^ others):
        who = best if (start, end, label) in mine else other
        notes.add(
            "annotators-differ",
            "entities in only one of two annotations of a text",
            f"{place} '{best.text[start:end]}' {label}, by {who.annotator or 'one'} only",
        )


def _note_others(record: AnnotatedText, notes: Notes) -> None:
    who = record.annotator or "nobody named"
    text = "records of other annotators, left out"
    notes.add("other-annotator", text, f"{record.task.place} {who}")


def _note_binary(record: AnnotatedText, notes: Notes) -> AnnotatedText:
    if record.is_binary:
        text = "texts with binary answers: words outside the answers are missing, not O"
        notes.add("binary-answers", text, record.task.place)
    return record
