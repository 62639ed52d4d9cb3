"""Records of words and tags, as in Hugging Face data sets → sentences."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...schemes import is_tag
from ..columns.tag_reader import TagReader
from ..sentence import Sentence, count_things
from .fields import Fields, describe_kind

WORD_KEYS = ("tokens", "words", "sentence", "text")
"""Keys of a record's words; the first one found is used."""

TAG_KEYS = ("ner_tags", "ner", "tags", "labels", "label", "bio_tags", "ner_labels")
"""Keys of a record's tags; the first one found is used."""

_UNKNOWN = (None, -100, "-100")  # tags of words that nobody annotated, or that are no words
_SPACE_KEYS = ("trailing_whitespace", "spaces")
_TEXT_KEYS = ("full_text", "text", "raw")


def find_token_keys(record: Any) -> tuple[str, str] | None:
    """RETURNS (tuple[str, str] | None): Keys of a record's words and tags, if both exist."""
    record = _name_lists(record)
    if not isinstance(record, Mapping):
        return None
    words = next((key for key in WORD_KEYS if _is_word_list(record.get(key))), None)
    tags = next((key for key in TAG_KEYS if _is_tag_list(record.get(key))), None)
    return (words, tags) if words and tags else None


def list_tags(record: Any) -> list[str]:
    """RETURNS (list[str]): A record's tags that are texts, if it is one of words and tags."""
    keys = find_token_keys(record)
    values = _name_lists(record)[keys[1]] if keys else []
    return [value for value in values if isinstance(value, str) and value not in _UNKNOWN]


def find_class_names(feature: Any) -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): The names of a feature's numbers, if it gives them."""
    if isinstance(feature, list) and feature:
        feature = feature[0]
    if not isinstance(feature, Mapping):
        return ()
    names = feature.get("names")
    if isinstance(names, list):
        return tuple(map(str, names))
    return find_class_names(feature.get("feature"))


def read_token_record(
    task: Fields, checker: TagReader, tag_names: Sequence[str], document: int
) -> Iterator[Sentence]:
    """Read one sentence of words and tags.

    task (Fields): The record.
    checker (TagReader): Checks the tags of the file.
    tag_names (Sequence[str]): The tags that the numbers mean.
    document (int): Number of the sentence's document.
    YIELDS (Sentence): The sentence, if it has words; those whose tag is -, -100 or null
        are missing.
    RAISES (FormatError): If words and tags differ in number, or a number has no name.
    """
    task = task.inner(_name_lists(task.value))
    record = task.mapping()
    keys = find_token_keys(record)
    if keys is None:
        found = ", ".join(f"{key} ({describe_kind(value)})" for key, value in record.items())
        raise task.error(
            f"keys {found[:200]}, expected a list of words (tokens) and a list of their tags "
            "(ner_tags). Rename the keys, or fix the record."
        )
    words, values = task.items(keys[0]), task.items(keys[1])
    if len(words) != len(values):
        raise task.error(
            f"{count_things(len(words), 'word')} in '{keys[0]}' and "
            f"{count_things(len(values), 'tag')} in '{keys[1]}', expected one tag for each word. "
            "Fix the record."
        )
    if not words:
        return
    if not all(words):
        raise task.error(f"an empty word in '{keys[0]}', expected a text. Remove it and its tag.")
    task.check_pairs("".join([*words, *map(str, values)]), "' or '".join(keys))
    tags = [_find_tag(task, value, tag_names) for value in values]
    missing = [i for i, tag in enumerate(tags) if tag == "-"]
    tags = [checker.check("O" if tag == "-" else tag, task.number) for tag in tags]
    spaces = _find_spaces(record, words)
    starts = record.get("sent_starts")
    if "document" in record and starts is None:
        starts = []
    lines = [task.number] * len(words)
    if not isinstance(starts, list):
        yield Sentence(words, tags, lines, 0, spaces, missing=missing)
        return
    for start, end in pairwise(sorted({0, len(words), *starts})):
        yield Sentence(
            words[start:end],
            tags[start:end],
            lines[start:end],
            document,
            None if spaces is None else spaces[start:end],
            not starts,
            [i - start for i in missing if start <= i < end],
        )


def read_spacy_training(
    task: Fields, checker: TagReader, tag_names: Sequence[str], document: int
) -> Iterator[Sentence]:
    """Read a document of spaCy 2's training JSON: paragraphs of sentences of tokens.

    task (Fields): The document.
    checker (TagReader): Checks the tags of the file.
    tag_names (Sequence[str]): Not used: the tags are texts.
    document (int): Its number.
    YIELDS (Sentence): Its sentences; a tag `-` means that nobody annotated the word.
    RAISES (FormatError): If a token has no text.
    """
    for paragraph in map(task.inner, task.items("paragraphs")):
        for sentence in map(task.inner, paragraph.items("sentences")):
            tokens = [task.inner(item) for item in sentence.items("tokens")]
            if not tokens:
                continue
            words = [token.text("orth") for token in tokens]
            if not all(words):
                raise task.error(
                    f"token {words.index('') + 1} of a sentence has an empty `orth`, expected "
                    "its text. Fix the token, or remove it."
                )
            tags = [token.get("ner") or "-" for token in tokens]
            missing = [i for i, tag in enumerate(tags) if tag == "-"]
            yield Sentence(
                words,
                [checker.check("O" if tag == "-" else str(tag), task.number) for tag in tags],
                [task.number] * len(words),
                document,
                _align_words(words, str(sentence.get("raw") or "")),
                missing=missing,
            )


def _name_lists(record: Any) -> Any:
    # a list of words and a list of tags, or a list of pairs → an object with keys
    if not isinstance(record, list) or not record or not all(map(_is_word_list, record)):
        return record
    if len(record) == 2 and len(record[0]) == len(record[1]) and all(map(is_tag, record[1])):
        return {"tokens": record[0], "ner_tags": record[1]}
    if all(len(pair) == 2 and is_tag(pair[1]) for pair in record):
        return {"tokens": [word for word, _ in record], "ner_tags": [tag for _, tag in record]}
    return record


def _find_tag(task: Fields, value: Any, tag_names: Sequence[str]) -> str:
    if value in _UNKNOWN:
        return "-"
    if isinstance(value, str) and not value.isdecimal():
        return value
    if isinstance(value, (bool, float)) or not str(value).isdecimal():
        raise task.error(f"{describe_kind(value)} as a tag, expected a text such as B-PER.")
    if not tag_names:
        raise task.error(
            f"the number {value} as a tag, and no names for the numbers. Give them in their order "
            "with `tag_names`, such as O,B-PER,I-PER: they are in the data set's card, "
            "or in `dataset.features`."
        )
    if int(value) >= len(tag_names):
        raise task.error(
            f"the number {value} as a tag, expected at most {len(tag_names) - 1}: `tag_names` has "
            f"{len(tag_names)} names. Add the missing names."
        )
    return tag_names[int(value)]


def _find_spaces(record: Mapping[str, Any], words: Sequence[str]) -> list[bool] | None:
    for key in _SPACE_KEYS:
        spaces = record.get(key)
        if isinstance(spaces, list) and len(spaces) == len(words):
            return [bool(space) for space in spaces]
    texts = (record.get(key) for key in _TEXT_KEYS)
    text = next((text for text in texts if isinstance(text, str)), "")
    return _align_words(words, text)


def _align_words(words: Sequence[str], text: str) -> list[bool] | None:
    # which words a blank follows in the text; None if the words do not make up the text
    borders, at = [], 0
    for word in words:
        start = text.find(word, at)
        if start < 0 or start - at > 1:
            return None
        at = start + len(word)
        borders.append((start, at))
    if text[at:] not in ("", " "):
        return None
    gaps = [text[left:right] for (_, left), (right, _) in pairwise([*borders, (len(text), 0)])]
    return [gap == " " for gap in gaps] if set(gaps) <= {"", " "} else None


def _is_word_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _is_tag_list(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(tag, (list, dict)) for tag in value)
