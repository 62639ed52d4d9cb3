"""Faults of one file → one error that lists them, or a count of the sentences left out."""

from collections import Counter
from collections.abc import Sequence

from .sentence import Advice, FormatError, Notes

_MOST = 10


class Faults:
    """Collects the faults of a file while its reader goes on to the next sentence.

    name (str): The file as messages call it.
    skip_bad (bool): Whether sentences with a fault are left out and counted.
    how (str): What the file was taken for, and why.
    """

    def __init__(self, name: str, *, skip_bad: bool, how: str = "") -> None:
        """Start with no fault."""
        self.name = name
        self.skip_bad = skip_bad
        self.how = how
        self._first: list[FormatError] = []
        self._kinds: Counter[str] = Counter()

    def add(self, kind: str, error: FormatError) -> None:
        """Take in a fault.

        kind (str): What kinds of fault are counted by, such as 'empty word'.
        error (FormatError): The fault with its line.
        """
        self._kinds[kind] += 1
        if len(self._first) < _MOST:
            self._first.append(error)

    def skip(self, place: str, notes: Notes) -> None:
        """Count a sentence (or record) that a fault has made unreadable."""
        if self.skip_bad:
            notes.add("skipped", "sentences or records that cannot be read, left out", place)

    def check(self, *, advice: Sequence[Advice] = ()) -> None:
        """Call this at the end of the file.

        advice (Sequence[Advice]): Settings that would read the file otherwise.
        RAISES (FormatError): If there was a fault and faults are not to be skipped.
        """
        n_faults = self._kinds.total()
        if not n_faults or self.skip_bad:
            return
        first = self._first[0]
        if n_faults == 1:
            text = first.text
        else:
            listed = "".join(f"\n  {error.place}: {error.text}" for error in self._first)
            kinds = ", ".join(f"{kind} ({n:,})" for kind, n in self._kinds.most_common())
            more = f"\n  … and {n_faults - _MOST:,} more" if n_faults > _MOST else ""
            text = f"{n_faults:,} faults: {kinds}.{listed}{more}\n"
        text = f"{text}{' ' * (n_faults == 1)}{self.how}".rstrip()
        raise FormatError(
            first.name if n_faults == 1 else self.name,
            text,
            line=first.line if n_faults == 1 else 0,
            advice=(*first.advice, *advice, {"skip_bad": True}),
        )
