"""A text with character offsets → sentences of tokens; all spans start and end at tokens."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from unicodedata import category

from spacy.tokens import Doc

from ...schemes import Span, spans_to_tags
from ..sentence import Notes, Sentence
from .fields import CharSpan
from .text_records import AnnotatedText

_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")

Tokenize = Callable[[str], Doc]


def split_text(
    record: AnnotatedText, *, document: int, tokenize: Tokenize, notes: Notes
) -> Iterator[Sentence]:
    """Cut an annotated text into tokens and sentences.

    The tool's own tokens are used if they fit the text, otherwise spaCy's. If an entity
    starts or ends inside a token, the token is split there and listed, so that no entity
    is lost. If spans overlap, the longest one is kept and the others are listed.

    record (AnnotatedText): The text and its spans.
    document (int): Its number.
    tokenize (Callable): spaCy's tokenizer.
    notes (Notes): Collects what was noticed.
    YIELDS (Sentence): Each marked sentence, or the whole text if none is marked.
    RAISES (FormatError): If an offset is outside the text.
    """
    spans = _keep_spans(record, notes)
    tokens = _find_tokens(record, tokenize, notes)
    borders = _cut_tokens(record, tokens, spans, notes)
    yield from _split_record(record, borders, spans, document, notes)


def _keep_spans(record: AnnotatedText, notes: Notes) -> list[CharSpan]:
    # trimmed, sorted, without overlaps
    task, trimmed = record.task, set()
    for start, end, label in record.spans:
        if end > len(record.text):
            raise task.error(
                f"span {start}:{end} {label} in a text of {len(record.text)} characters, expected "
                "offsets within it. The text was changed after annotation: export it again."
            )
        text = record.text[start:end]
        left, right = _find_visible(text)
        if left == right:
            place = f"{task.place} {label}"
            notes.add("blank-span", "spans of invisible characters only, lost", place)
            continue
        if right - left < len(text):
            place = f"{task.place} {text!r:.80} {label}"
            what = "spans with blanks or zero-width characters at an end, trimmed"
            notes.add("trimmed-span", what, place)
        trimmed.add((start + left, start + right, label))
    kept: list[CharSpan] = []
    last = 0
    for start, end, label in sorted(trimmed):
        if start < last:
            break
        kept.append((start, end, label))
        last = end
    else:
        return kept
    kept = []
    for start, end, label in sorted(trimmed, key=_longest_first):
        if any(start < right and left < end for left, right, _ in kept):
            place = f"{task.place} '{record.text[start:end][:80]}' {label}"
            notes.add("overlap", "spans that overlap a longer one, lost", place)
        else:
            kept.append((start, end, label))
    return sorted(kept)


def _find_visible(text: str) -> tuple[int, int]:
    # where the visible characters begin and end
    left, right = 0, len(text)
    while left < right and not _shows(text[left]):
        left += 1
    while left < right and not _shows(text[right - 1]):
        right -= 1
    return left, right


def _shows(char: str) -> bool:
    return char.isalnum() or category(char) not in _INVISIBLE


def _longest_first(span: CharSpan) -> tuple[int, int, str]:
    start, end, label = span
    return start - end, start, label


def _find_tokens(record: AnnotatedText, tokenize: Tokenize, notes: Notes) -> list[tuple[int, int]]:
    # borders of the tokens; between two of them is at most one blank
    text = record.text
    if record.tokens is not None:
        tokens = [_trim_token(text, *borders) for borders in record.tokens]
        edges = [(0, 0), *tokens, (len(text), len(text))]
        gaps = [text[left[1] : right[0]] for left, right in pairwise(edges)]
        in_order = all(left[1] <= right[0] for left, right in pairwise(edges))
        has_gaps = any(gap not in ("", " ") for gap in gaps) or gaps[0] != ""
        if in_order and not has_gaps and all(start < end for start, end in tokens):
            return tokens
        notes.add(
            "foreign-tokens",
            "records whose own tokens do not make up the text: spaCy's tokenizer replaces them",
            record.task.place,
        )
    return [(token.idx, token.idx + len(token)) for token in tokenize(text)]


def _trim_token(text: str, start: int, end: int) -> tuple[int, int]:
    # some tokenizers leave blanks at the ends of a token
    if end - start > 1 and " " in (text[start : start + 1], text[end - 1 : end]):
        token = text[start:end]
        if not token.isspace():
            start += len(token) - len(token.lstrip(" "))
            end -= len(token) - len(token.rstrip(" "))
    return start, end


def _cut_tokens(
    record: AnnotatedText,
    tokens: list[tuple[int, int]],
    spans: list[CharSpan],
    notes: Notes,
) -> list[tuple[int, int]]:
    # the tokens, split where an entity starts or ends inside one
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    borders: list[tuple[int, int]] = []
    upcoming = 0
    for start, end in tokens:
        while upcoming < len(edges) and edges[upcoming] <= start:
            upcoming += 1
        begin = start
        while upcoming < len(edges) and edges[upcoming] < end:
            edge = edges[upcoming]
            upcoming += 1
            if edge == begin:
                continue
            # a tool's token may hold blanks: a blank at the split belongs to neither part
            borders.append((begin, edge - (record.text[edge - 1] == " ")))
            begin = edge + (record.text[edge] == " ")
        if begin != start:
            place = f"{record.task.place} '{record.text[start:end]}'"
            notes.add("cut-token", "tokens in which an entity starts or ends, split there", place)
        borders.append((begin, end))
    return borders


def _split_record(
    record: AnnotatedText,
    borders: list[tuple[int, int]],
    spans: list[CharSpan],
    document: int,
    notes: Notes,
) -> Iterator[Sentence]:
    token_at = {start: i for i, (start, _) in enumerate(borders)}
    token_to = {end: i + 1 for i, (_, end) in enumerate(borders)}
    token_spans: list[Span] = [(token_at[a], token_to[b], label) for a, b, label in spans]
    words = [record.text[start:end] for start, end in borders]
    nexts = [*(start for start, _ in borders[1:]), len(record.text)]
    spaces = [record.text[end:after] == " " for (_, end), after in zip(borders, nexts, strict=True)]
    tags = spans_to_tags(token_spans, len(words))
    missing = [i for i, tag in enumerate(tags) if tag == "O"] if record.is_binary else []
    groups = _place_groups(record, token_at, token_to, notes)
    is_text = record.starts is None and not record.is_words
    cuts = [0, len(words)]
    if record.starts is not None:
        inside = {i for start, end, _ in token_spans for i in range(start + 1, end)}
        marked = {token_at[char] for char in record.starts if char in token_at}
        if marked & inside:
            text = "sentence starts within an entity: the two sentences are joined"
            notes.add("cut-by-sentence", text, record.task.place, count=len(marked & inside))
        cuts = sorted({0, len(words)} | (marked - inside))
    for start, end in pairwise(cuts):
        yield Sentence(
            words[start:end],
            tags[start:end],
            [record.task.number] * (end - start),
            document,
            None if record.is_words else spaces[start:end],
            is_text=is_text,
            missing=[i - start for i in missing if start <= i < end],
            groups={
                name: [(a - start, b - start, label) for a, b, label in group if start <= a < end]
                for name, group in groups.items()
            },
        )


def _place_groups(
    record: AnnotatedText, token_at: dict[int, int], token_to: dict[int, int], notes: Notes
) -> dict[str, list[Span]]:
    groups: dict[str, list[Span]] = {}
    for name, spans in record.groups.items():
        fitting = [span for span in spans if span[0] in token_at and span[1] in token_to]
        groups[name] = [(token_at[a], token_to[b], label) for a, b, label in fitting]
        if len(fitting) < len(spans):
            text = "spans of a span group that start or end inside a token, lost"
            place = f"{record.task.place} {name}"
            notes.add("group-span", text, place, count=len(spans) - len(fitting))
    return groups
