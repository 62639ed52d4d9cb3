"""A JSON file → its records: one per line, the items of a list, or a list inside an object."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from ..bytes.source import Source
from ..faults import Faults
from ..sentence import FormatError, Notes
from .fields import Fields
from .token_records import find_class_names, find_token_keys

_CHUNK = 1 << 16
LONGEST_RECORD = 1 << 25
"""Characters of one record, beyond which a file is taken for broken."""

_BLANKS = re.compile(r"[\s\ufeff]*")
_LIST = re.compile(r"\[\s*[\[{\]]")
_RECORD_KEYS = {"text", "content", "full_text", "sentence", "document", "tokens", "words"}
_RECORD_KEYS |= {"paragraphs", "sentences", "tokenized_text"}
_CONTAINERS = ("annotations", "data", "examples", "documents", "common_examples")


def read_json_records(
    source: Source, faults: Faults | None = None, notes: Notes | None = None
) -> Iterator[Fields]:
    """Read the records of a JSON file, one after another.

    A file holds one record per line, one list of records, or objects that span several
    lines. If an object is not a record but contains a list of records, as NER Annotator
    and Rasa write it, the items of that list are the records.

    source (Source): The file.
    faults (Faults | None): Collects lines that are not JSON; None: the first one raises.
    notes (Notes | None): Counts the lines that are left out.
    YIELDS (Fields): The records, each with its line or its number in the list.
    RAISES (FormatError): If the file, or a list in it, is not JSON.
    """
    with source.open_text() as file:
        head = file.readline(_CHUNK)
        while head and not head.strip():
            head = file.readline(_CHUNK)
        stripped = head.strip()
        rest = _peek(file) if stripped == "[" else ""
    is_whole, value = _try_line(stripped)
    if _LIST.match(stripped + rest) and not find_token_keys(value):
        yield from _number(source, _read_list(source))
    elif stripped[:1] in ("{", "[") and not is_whole:
        yield from _number(source, _read_values(source))
    else:
        for line in _read_lines(source, faults, notes):
            items = _find_items(line.value)
            if items is None:
                yield line
            else:
                yield from _number(source, iter(items))


def _read_lines(source: Source, faults: Faults | None, notes: Notes | None) -> Iterator[Fields]:
    if source.longest_line > LONGEST_RECORD:
        raise _too_long(source, source.longest_line)
    with source.open_text() as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                value = _DECODER.decode(line.lstrip("\ufeff"))
            except (ValueError, RecursionError) as err:
                error = _broken(source, err, number)
                if faults is None:
                    raise error from err
                faults.add("broken JSON", error)
                if notes is not None:
                    faults.skip(f"{source.name}:{number}", notes)
                continue
            yield Fields(source, number, value)


def _number(source: Source, values: Iterator[Any]) -> Iterator[Fields]:
    for number, value in enumerate(values, start=1):
        yield Fields(source, number, value, is_line=False)


def _find_items(value: Any) -> list[Any] | None:
    # the records inside an object that is not a record itself
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("rasa_nlu_data"), Mapping):
        value = value["rasa_nlu_data"]
    if _is_table(value):
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
    if isinstance(value.get("rows"), list):
        return _read_viewer_rows(value["rows"], value.get("features"))
    if isinstance(value.get("data"), Mapping) or _RECORD_KEYS & value.keys():
        return None
    return next((value[key] for key in _CONTAINERS if isinstance(value.get(key), list)), None)


def _read_viewer_rows(rows: list[Any], features: Any) -> list[Any]:
    # the format of the Hub's dataset viewer, whose features name the numbers
    values = [row["row"] if isinstance(row, Mapping) and "row" in row else row for row in rows]
    for feature in features if isinstance(features, list) else ():
        names = find_class_names(feature.get("type")) if isinstance(feature, Mapping) else ()
        for value in values if names else ():
            numbers = value.get(feature.get("name")) if isinstance(value, dict) else None
            if isinstance(numbers, list) and all(number in range(len(names)) for number in numbers):
                value[feature["name"]] = [names[number] for number in numbers]
    return values


def _is_table(value: Mapping[str, Any]) -> bool:
    # columns of equal length, as `Dataset.to_dict` returns them
    words = value.get("tokens", value.get("words"))
    if not (isinstance(words, list) and words and all(isinstance(row, list) for row in words)):
        return False
    return all(isinstance(rows, list) and len(rows) == len(words) for rows in value.values())


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{max(keys, key=keys.count)}' comes twice in an object")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_make_object)


def _try_line(line: str) -> tuple[bool, Any]:
    # whether a value ends on this line, and the value
    try:
        return True, _DECODER.decode(line)
    except (ValueError, RecursionError) as err:
        # a fault before the end is a broken line; the error comes when the line is read
        return getattr(err, "pos", 0) < len(line), None


def _peek(file: TextIO) -> str:
    for line in file:
        if line.strip():
            return line.strip()
    return ""


def _read_list(source: Source) -> Iterator[Any]:
    # the items of one list, decoded one by one: memory holds one item
    with source.open_text() as file:
        window = _Window(source, file)
        window.take("[")
        if window.next_char() == "]":
            window.take("]")
        else:
            while True:
                yield window.decode()
                if window.next_char() == "]":
                    break
                window.take(",")
            window.take("]")
        if window.next_char():
            raise window.error("text after the end of the list")


def _read_values(source: Source) -> Iterator[Any]:
    with source.open_text() as file:
        window = _Window(source, file)
        while window.next_char():
            value = window.decode()
            items = _find_items(value)
            yield from [value] if items is None else items


class _Window:
    # a part of the text; values are decoded from it one by one

    def __init__(self, source: Source, file: TextIO) -> None:
        self.source = source
        self.file = file
        self.text = ""
        self.at = 0
        self.line = 1

    def next_char(self) -> str:
        """RETURNS (str): The next character that is not a blank; "" at the end."""
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or not self._grow():
                return self.text[self.at : self.at + 1]

    def take(self, char: str) -> None:
        """Skip a character; it must be the next one."""
        found = self.next_char()
        if found != char:
            what = f"'{found}'" if found else "the end of the file"
            raise self.error(f"{what}, expected '{char}'")
        self.at += 1

    def decode(self) -> Any:
        """RETURNS (Any): The next value."""
        self.next_char()
        while True:
            try:
                value, self.at = _DECODER.raw_decode(self.text, self.at)
            except RecursionError as err:
                raise self.error("lists within lists, too deep to read") from err
            except json.JSONDecodeError as err:
                # json reports an unterminated string at its start, other errors where they occur
                is_cut = err.msg.startswith("Unterminated") or err.pos > len(self.text) - 12
                is_long = len(self.text) - self.at >= LONGEST_RECORD
                if is_cut and is_long:
                    raise _too_long(self.source, len(self.text) - self.at) from err
                if is_cut and not is_long and self._grow():
                    continue
                raise self.error(err.msg, at=err.pos) from err
            except ValueError as err:
                raise self.error(str(err).partition(":")[0]) from err
            return value

    def error(self, message: str, *, at: int | None = None) -> FormatError:
        """RETURNS (FormatError): An error with the line of a place in the text."""
        line = self.line + self.text.count("\n", 0, self.at if at is None else at)
        return FormatError(
            self.source.name,
            f"broken JSON ({message}). Export the data again: the file may be cut.",
            line=line,
        )

    def _grow(self) -> bool:
        # reads more: twice as much each time, as long as one value needs it
        more = self.file.read(max(_CHUNK, len(self.text) - self.at))
        self.line += self.text.count("\n", 0, self.at)
        self.text = self.text[self.at :] + more
        self.at = 0
        return bool(more)


def _too_long(source: Source, length: int) -> FormatError:
    return FormatError(
        source.name,
        f"a record of {length:,} characters or more, expected at most {LONGEST_RECORD:,}. Write "
        "one JSON object for each text, one per line; the file may be broken.",
    )


def _broken(source: Source, err: Exception, line: int) -> FormatError:
    message = str(err).partition(":")[0]
    return FormatError(
        source.name,
        f"broken JSON ({message}). Fix the line or export the data again: the file may be cut.",
        line=line,
    )
