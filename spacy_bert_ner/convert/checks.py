"""Docs on their way to a part → counts, and what is wrong with them, with its place."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spacy.tokenizer import Tokenizer

from ..read.sentence import DocData, Notes, Sentence
from ..schemes import Span, find_strays, spans_to_tags, tags_to_spans
from .survey import Survey, is_invisible


@dataclass
class PartFacts:
    """What one part of the corpus holds."""

    docs: int = 0
    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)


_CACHE = 1 << 16  # runs whose tokens are kept
_LONG_RUN = 100  # characters; longer ones are texts without blanks, which do not come again


class CutFinder:
    """Finds entities that the tokenizer's tokens do not keep whole.

    A border at a blank is always one of the tokenizer's. Only where a border is
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
                if not 0 < border < len(doc.words) or doc.spaces[border - 1]:
                    continue
                token = self._find_cut(doc, border)
                if token:
                    found.append((span, token))
                    break
        return found

    def _find_cut(self, doc: DocData, border: int) -> str:
        # the token that a border before word number `border` cuts, or ""
        n_words = len(doc.words)
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
            doc = self.tokenizer(run)
            tokens = [token.idx for token in doc], [token.text for token in doc]
            if len(run) > _LONG_RUN:
                return tokens
            if len(self._tokens) >= _CACHE:
                self._tokens.clear()
            self._tokens[run] = tokens
        return self._tokens[run]


class Examiner:
    """Counts docs and checks them; everything found goes into `parts`, `cuts` and `notes`.

    n_parts (int): Number of parts.
    pieces (Mapping[str, int] | None): Wordpieces of each distinct word.
    window (int): Most pieces of a sentence that an encoder sees at once.
    """

    def __init__(
        self,
        n_parts: int,
        *,
        pieces: Mapping[str, int] | None = None,
        window: int = 0,
    ) -> None:
        """Start with nothing counted."""
        self.parts = [PartFacts() for _ in range(n_parts)]
        self.notes = Notes()
        self.cut_tokens: Counter[str] = Counter()
        self.n_without_piece = 0
        self.words_without_piece: set[str] = set()
        self.n_too_long = 0
        # Plain words of the running text, and their pieces.
        self.n_plain, self.n_plain_pieces = 0, 0
        self.cut_finder: CutFinder | None = None
        self._pieces = pieces or {}
        self._window = window
        self._no_piece = {word for word, n in self._pieces.items() if n == 0}
        self._plain = {word for word in self._pieces if word.isalpha() and word.islower()}

    def add(self, part: int, survey: Survey, sentences: Sequence[Sentence], doc: DocData) -> None:
        """Count and check one doc.

        part (int): Number of its part.
        survey (Survey): Its file.
        sentences (Sequence[Sentence]): The sentences that it is made of.
        doc (DocData): The doc.
        """
        facts = self.parts[part]
        facts.docs += 1
        facts.sentences += len(sentences)
        facts.tokens += len(doc.words)
        for _, _, label in doc.spans:
            facts.entities[label] += 1
        name = survey.data.source.name
        for sentence in sentences:
            facts.lengths[len(sentence.words)] += 1
            if survey.n_strays:
                self._check_tags(sentence, name, survey.scheme)
            if survey.hidden and not survey.hidden.isdisjoint(sentence.words):
                self._check_invisible(sentence, name, survey.invisible)
                self._check_veiled(sentence, name, survey.veiled)
            if self._pieces:
                self._check_pieces(sentence, name)
        if doc.groups:
            self._check_groups(doc, sentences, name)
        if self.cut_finder is not None:
            self._check_cuts(doc, sentences, name, self.cut_finder)

    def _check_groups(self, doc: DocData, sentences: Sequence[Sentence], name: str) -> None:
        n_spans = sum(len(group) for sentence in sentences for group in sentence.groups.values())
        n_kept = sum(map(len, doc.groups.values()))
        if n_kept < n_spans:
            text = "spans of a span group that end in another doc, lost"
            place = f"{name}:{sentences[0].lines[0]} {', '.join(doc.groups)}"
            self.notes.add("cut-group", text, place, count=n_spans - n_kept)

    def _check_tags(self, sentence: Sentence, name: str, scheme: str) -> None:
        strays = find_strays(sentence.tags, scheme)
        if not strays:
            return
        clean = spans_to_tags(tags_to_spans(sentence.tags), len(sentence.tags), scheme=scheme)
        for i in strays:
            self.notes.add(
                "stray-tag",
                "stray tags, repaired: read as the CoNLL scorer reads them",
                f"{name}:{sentence.lines[i]} '{sentence.words[i]}' {sentence.tags[i]}, "
                f"{scheme} wants {clean[i]}",
            )

    def _check_invisible(self, sentence: Sentence, name: str, invisible: set[str]) -> None:
        for word, tag, line in zip(sentence.words, sentence.tags, sentence.lines, strict=True):
            if word in invisible:
                place = f"{name}:{line} {word!r}"
                self.notes.add(
                    "invisible-word",
                    "words of control, zero-width or white-space characters only, kept",
                    place,
                )
                if tag != "O":
                    self.notes.add(
                        "invisible-entity",
                        "such words inside of an entity: no encoder can see them",
                        f"{place} {tag}",
                    )

    def _check_veiled(self, sentence: Sentence, name: str, veiled: set[str]) -> None:
        for start, end, label in tags_to_spans(sentence.tags):
            first, last = sentence.words[start], sentence.words[end - 1]
            if (first in veiled and is_invisible(first[0])) or (
                last in veiled and is_invisible(last[-1])
            ):
                text = "entities that begin or end with a zero-width character, kept"
                entity = " ".join(sentence.words[start:end])
                place = f"{name}:{sentence.lines[start]} {entity!r} {label}"
                self.notes.add("veiled-entity", text, place)

    def _check_pieces(self, sentence: Sentence, name: str) -> None:
        n_pieces = sum(map(self._pieces.__getitem__, sentence.words))
        plain = [self._pieces[word] for word in sentence.words if word in self._plain]
        self.n_plain += len(plain)
        self.n_plain_pieces += sum(plain)
        if n_pieces > self._window:
            self.n_too_long += 1
            self.notes.add(
                "too-long",
                f"sentences of more than {self._window} pieces, longer than a window",
                f"{name}:{sentence.lines[0]} ({len(sentence.words):,} words, {n_pieces:,} pieces)",
            )
        if not self._no_piece.isdisjoint(sentence.words):
            for word, line in zip(sentence.words, sentence.lines, strict=True):
                if word in self._no_piece:
                    self.n_without_piece += 1
                    self.words_without_piece.add(word)
                    self.notes.add(
                        "no-piece",
                        "words without a wordpiece: the encoder gets its unknown piece",
                        f"{name}:{line} {word!r}",
                    )

    def _check_cuts(
        self, doc: DocData, sentences: Sequence[Sentence], name: str, cut_finder: CutFinder
    ) -> None:
        for (start, end, label), token in cut_finder.find(doc):
            self.cut_tokens[token] += 1
            lines = [line for sentence in sentences for line in sentence.lines]
            text = "".join(
                word + " " * space
                for word, space in zip(doc.words[start:end], doc.spaces[start:end], strict=True)
            )
            self.notes.add(
                "cut-entity",
                "entities whose border the tokenizer's tokens cut",
                f"{name}:{lines[start]} '{text.rstrip()}' {label} in the token '{token}'",
            )
