"""Docs and spaCy's tokenizer → the entities whose borders the tokenizer cuts."""

from bisect import bisect_left

from spacy.tokenizer import Tokenizer

from ..read import DocData
from ..schemes import Span

_CACHE = 1 << 16


class CutFinder:
    """Finds entities that the tokenizer's tokens do not keep whole.

    A border at a blank is always one of the tokenizer's. Only where a border stands
    within a run of characters without a blank, that run is given to the tokenizer:
    the result is that of the whole text, at a fraction of its time.

    tokenizer (Tokenizer): The tokenizer that the application will use.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start with no run seen."""
        self.tokenizer = tokenizer
        self._tokens: dict[str, tuple[list[int], list[str]]] = {}

    def find(self, doc: DocData) -> list[tuple[Span, str]]:
        """Find the entities of a doc that lose a border.

        doc (DocData): The doc.
        RETURNS (list[tuple[Span, str]]): Each with the token that its first lost border
            cuts.
        """
        found = []
        for span in doc.spans:
            start, end, _ = span
            for border in (start, end):
                token = self._find_cut(doc, border)
                if token:
                    found.append((span, token))
                    break
        return found

    def _find_cut(self, doc: DocData, border: int) -> str:
        # the token that a border before word number `border` cuts, or ""
        n_words = len(doc.words)
        if border in (0, n_words) or doc.spaces[border - 1]:
            return ""
        first, last = border - 1, border
        while first > 0 and not doc.spaces[first - 1]:
            first -= 1
        while last < n_words - 1 and not doc.spaces[last]:
            last += 1
        run = "".join(doc.words[first : last + 1])
        offset = sum(map(len, doc.words[first:border]))
        starts, tokens = self._tokenize(run)
        at = bisect_left(starts, offset)
        return "" if at < len(starts) and starts[at] == offset else tokens[at - 1]

    def _tokenize(self, run: str) -> tuple[list[int], list[str]]:
        if run not in self._tokens:
            if len(self._tokens) >= _CACHE:
                self._tokens.clear()
            doc = self.tokenizer(run)
            self._tokens[run] = ([token.idx for token in doc], [token.text for token in doc])
        return self._tokens[run]
