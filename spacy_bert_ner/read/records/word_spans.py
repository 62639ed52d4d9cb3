"""Records of words, with entities that count words → texts with their spans."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from ..sentence import Notes
from .fields import CharSpan, Fields
from .offsets import find_label
from .text_records import AnnotatedText

_WORD_KEYS = ("tokenized_text", "tokens", "words", "sentence", "sentences")
_SPAN_KEYS = ("ner", "entities", "spans")


def find_span_keys(record: Any) -> tuple[str, str] | None:
    """RETURNS (tuple[str, str] | None): Keys of a record's words and entities, if both exist."""
    if not isinstance(record, Mapping):
        return None
    words = next((key for key in _WORD_KEYS if _are_words(record.get(key))), None)
    spans = next((key for key in _SPAN_KEYS if isinstance(record.get(key), list)), None)
    return (words, spans) if words and spans else None


def read_word_spans(task: Fields, notes: Notes) -> Iterator[AnnotatedText]:
    """Read a list of words, or one list for each sentence, with the entities in it.

    In a list `[first, last, label]`, as GLiNER and DyGIE write it, the last word belongs to
    the entity. An object has a `start` and an exclusive `end`, as in SpERT, or an `index`
    that lists all words of the entity, as in W2NER.
    """
    words_key, spans_key = find_span_keys(task.value) or ("tokens", "entities")
    sentences, items = task.items(words_key), task.items(spans_key)
    if sentences and isinstance(sentences[0], str):
        sentences = [sentences]
    elif all(isinstance(item, list) and not _is_span(item) for item in items):
        items = [item for group in items for item in group]
    words = [word for sentence in sentences for word in sentence]
    if not all(words):
        raise task.error(f"an empty word in '{words_key}', expected a text. Remove it.")
    ends = list(accumulate(len(word) + 1 for word in words))
    starts = [0, *ends]
    spans: list[CharSpan] = []
    for item in items:
        first, last, label = _read_span(task.inner(item))
        if last >= len(words):
            raise task.error(
                f"entity {label} from word {first} to word {last} of {len(words)}, expected word "
                "numbers from 0. In a list, the end is the last word: correct it."
            )
        spans.append((starts[first], ends[last] - 1, label))
    firsts = accumulate(map(len, sentences), initial=0)
    yield AnnotatedText(
        task,
        " ".join(words),
        spans,
        [(start, end - 1) for start, end in zip(starts, ends, strict=False)],
        [starts[first] for first in firsts] if len(sentences) > 1 else None,
        is_checked=True,
        is_words=True,
    )


def _read_span(item: Fields) -> CharSpan:
    # the first word, the last one, and the label
    if not isinstance(item.value, Mapping):
        return item.triple()
    index = item.value.get("index")
    if isinstance(index, list) and index and all(type(number) is int for number in index):
        return (*item.inner({"start": min(index), "end": max(index)}).borders(), find_label(item))
    start, end = item.borders()
    if start == end:
        raise item.error(f"an entity without words: start and end are {start}. Correct `end`.")
    return start, end - 1, find_label(item)


def _are_words(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    rows = value if isinstance(value[0], list) else [value]
    return all(isinstance(row, list) and all(isinstance(word, str) for word in row) for row in rows)


def _is_span(item: list[Any]) -> bool:
    return len(item) == 3 and type(item[0]) is int and isinstance(item[2], str)
