"""Gold entities of all sentences → the same text with other labels in like contexts."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan

MIN_OTHERS = 3
"""So many other occurrences are needed to call a label inconsistent."""

MIN_SHARE = 0.8
"""So large a share of them must agree on another label."""

_Key = tuple[str, str, str]


class LabelTable:
    """Counts the labels of each text by the word before it and by the word after it.

    Contexts are alike if they share one of the two words; case does not count there.
    """

    def __init__(self, docs: Sequence[Doc]) -> None:
        """Count the gold entities of some sentences."""
        self._counts: defaultdict[_Key, Counter[str]] = defaultdict(Counter)
        for doc in docs:
            for ent in doc.ents:
                for key in find_keys(ent):
                    self._counts[key][ent.label_] += 1

    def count_others(self, ent: DocSpan) -> dict[str, int]:
        """Count the labels that the text of an entity has elsewhere in like contexts.

        ent (Span): A gold entity of one of the sentences; it does not count itself.
        RETURNS (Dict[str, int]): Label → occurrences, most frequent first; one that
            shares both words counts twice.
        """
        total: Counter[str] = Counter()
        for key in find_keys(ent):
            total += self._counts[key]
            total[ent.label_] -= 1
        return {label: n for label, n in total.most_common() if n > 0}

    def find_other_label(self, ent: DocSpan) -> str:
        """Find the label that an entity has almost everywhere else in like contexts.

        RETURNS (str): The label, or "" if it is the entity's own, or there are too few.
        """
        others = self.count_others(ent)
        label, n = next(iter(others.items()), ("", 0))
        total = sum(others.values())
        is_clear = total >= MIN_OTHERS and n >= MIN_SHARE * total
        return label if is_clear and label != ent.label_ else ""


def find_keys(ent: DocSpan) -> list[_Key]:
    """Give an entity's text with the word before it, and with the word after it."""
    doc = ent.doc
    before = doc[ent.start - 1].lower_ if ent.start else ""
    after = doc[ent.end].lower_ if ent.end < len(doc) else ""
    return [(ent.text, "before", before), (ent.text, "after", after)]
