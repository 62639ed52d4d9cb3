"""Records with character offsets → sentences of tokens, every span on token borders."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from spacy.tokens import Doc

from ..schemes import Span, spans_to_tags
from .fields import CharSpan, Fields
from .records import AnnotatedText
from .sentence import Notes, Sentence

Tokenize = Callable[[str], Doc]


def read_records(
    tasks: Iterable[Fields],
    *,
    to_record: Callable[[Fields, Notes], AnnotatedText | None],
    tokenize: Tokenize,
    notes: Notes,
) -> Iterator[Sentence]:
    """Read texts with character offsets; a record is a document.

    Tokens are the tool's own, if they fit the text, else the tokenizer's. A token that
    an entity border cuts is cut there, so that no entity is lost, and is listed. Of
    spans that overlap the longest stays, the others are listed.

    tasks (Iterable[Fields]): The JSON values.
    to_record (Callable): Reads one of them, or leaves it out with a note.
    tokenize (Callable): spaCy's tokenizer.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): One for each sentence that is marked, else one for each text.
    RAISES (FormatError): If a value has not the form expected, or offsets leave the text.
    """
    document = 0
    for task in tasks:
        record = to_record(task, notes)
        if record is None:
            continue
        if not record.text:
            notes.add("empty-text", "records with an empty text, left out", task.place)
            continue
        document += 1
        spans = _keep_spans(task, record, notes)
        borders = _cut_tokens(
            task, record, _find_tokens(task, record, tokenize, notes), spans, notes
        )
        yield from _split_record(task, record, borders, spans, document, notes)


def _keep_spans(task: Fields, record: AnnotatedText, notes: Notes) -> list[CharSpan]:
    # trimmed, sorted, without overlaps
    trimmed = set()
    for start, end, label in record.spans:
        if end > len(record.text):
            raise task.error(
                f"span {start}:{end} {label} in a text of {len(record.text)} characters, expected "
                "offsets within it. The text was changed after annotation: export it anew."
            )
        text = record.text[start:end]
        left = start + len(text) - len(text.lstrip())
        right = end - len(text) + len(text.rstrip())
        if left >= right:
            notes.add(
                "blank-span", "spans of nothing but white space, lost", f"{task.place} {label}"
            )
            continue
        if (left, right) != (start, end):
            place = f"{task.place} {text!r} {label}"
            notes.add("trimmed-span", "spans with white space at an end, trimmed", place)
        trimmed.add((left, right, label))
    kept: list[CharSpan] = []
    for start, end, label in sorted(trimmed, key=_longest_first):
        if any(start < right and left < end for left, right, _ in kept):
            place = f"{task.place} '{record.text[start:end]}' {label}"
            notes.add("overlap", "spans that overlap a longer one, lost", place)
        else:
            kept.append((start, end, label))
    return sorted(kept)


def _longest_first(span: CharSpan) -> tuple[int, int, str]:
    start, end, label = span
    return start - end, start, label


def _find_tokens(
    task: Fields, record: AnnotatedText, tokenize: Tokenize, notes: Notes
) -> list[tuple[int, int]]:
    # borders of the tokens; what is between them is nothing or one blank
    text = record.text
    if record.tokens is not None:
        edges = [(0, 0), *record.tokens, (len(text), len(text))]
        gaps = [text[left[1] : right[0]] for left, right in pairwise(edges)]
        in_order = all(left[1] <= right[0] for left, right in pairwise(edges))
        has_gaps = any(gap not in ("", " ") for gap in gaps) or gaps[0] != ""
        if in_order and not has_gaps and all(start < end for start, end in record.tokens):
            return record.tokens
        notes.add(
            "foreign-tokens",
            "records whose own tokens do not make up the text: the tokenizer's are taken",
            task.place,
        )
    return [(token.idx, token.idx + len(token)) for token in tokenize(text)]


def _cut_tokens(
    task: Fields,
    record: AnnotatedText,
    tokens: list[tuple[int, int]],
    spans: list[CharSpan],
    notes: Notes,
) -> list[tuple[int, int]]:
    # the tokens, cut where an entity begins or ends within one
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
            # a tool's token may hold blanks: one at the cut belongs to neither side
            borders.append((begin, edge - (record.text[edge - 1] == " ")))
            begin = edge + (record.text[edge] == " ")
        if begin != start:
            place = f"{task.place} '{record.text[start:end]}'"
            notes.add("cut-token", "tokens that an entity border cuts, cut there", place)
        borders.append((begin, end))
    return borders


def _split_record(
    task: Fields,
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
    spaces = [record.text[end : end + 1] == " " for _, end in borders]
    tags = spans_to_tags(token_spans, len(words))
    cuts = [0, len(words)]
    if record.starts is not None:
        inside = {i for start, end, _ in token_spans for i in range(start + 1, end)}
        marked = {token_at[char] for char in record.starts if char in token_at}
        if marked & inside:
            text = "sentence starts within an entity: the two sentences are one"
            notes.add("cut-by-sentence", text, task.place, count=len(marked & inside))
        cuts = sorted({0, len(words)} | (marked - inside))
    for start, end in pairwise(cuts):
        yield Sentence(
            words[start:end],
            tags[start:end],
            [task.number] * (end - start),
            document,
            spaces[start:end],
            is_text=record.starts is None,
        )
