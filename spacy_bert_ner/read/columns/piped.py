"""Lines such as `word|POS|TAG word|POS|TAG` (WikiNER) or `word/TAG word/TAG` → sentences."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from ...schemes import is_tag
from ..bytes.source import Source
from ..faults import Faults
from ..file_format import FileFormat, Opened
from ..sentence import FormatError, Notes, Sentence
from ..settings import ReadSettings
from .table import read_lines, split_at_blanks
from .tag_forms import BARE, USUAL, TagForms, are_bare_labels, choose_forms
from .tag_reader import TagReader

_SEPARATORS = ("/", "_")  # of word and tag, besides the | of WikiNER


def _is_piped(source: Source, head: str) -> bool:
    word, pipe, tag = head.partition("\n")[0].strip().partition(" ")[0].rpartition("|")
    return bool(word and pipe and is_tag(tag))


def _is_word_tag(source: Source, head: str) -> bool:
    return any(_find_forms(head.splitlines()[:100], separator) for separator in _SEPARATORS)


def _find_forms(lines: list[str], separator: str) -> TagForms | None:
    # how the tags behind a separator are spelled, if most words have one
    rows = [split_at_blanks(line.strip()) for line in lines]
    parts = [cell.rpartition(separator) for row in rows for cell in row]
    tags = Counter(tag for word, _, tag in parts if word and tag)
    if max(map(len, rows), default=0) < 2 or tags.total() < 0.5 * len(parts):
        return None
    forms = choose_forms(tags) if set(tags) - {"O", "o"} else None
    if forms is None and tags.total() > 0.9 * len(parts) and are_bare_labels(tags):
        return BARE
    return forms


def _open_piped(source: Source, settings: ReadSettings) -> Opened:
    line = next((line for _, lines in read_lines(source) for line in lines if line.strip()), "")
    # one or two pipes: as many as every word of the first sentence has
    n_pipes = min((cell.count("|") for cell in split_at_blanks(line.strip())), default=0)
    return Opened(
        partial(read_piped, source, n_parts=1 + (n_pipes >= 2), skip_bad=settings.skip_bad)
    )


def _open_word_tag(source: Source, settings: ReadSettings) -> Opened:
    lines = [line for _, lines in read_lines(source) for line in lines]
    found = [(separator, _find_forms(lines, separator)) for separator in _SEPARATORS]
    separator, forms = next((item for item in found if item[1]), (_SEPARATORS[0], USUAL))
    forms = BARE if settings.bare_labels else forms or USUAL
    how = f"word{separator}TAG" + f", tags are {forms.name}" * bool(forms.name)
    reader = partial(
        read_piped, source, separator=separator, forms=forms, skip_bad=settings.skip_bad
    )
    return Opened(reader, how)


def read_piped(
    source: Source,
    *,
    separator: str = "|",
    n_parts: int = 1,
    forms: TagForms = USUAL,
    skip_bad: bool = False,
    notes: Notes,
) -> Iterator[Sentence]:
    """Read one sentence per line: a separator precedes POS (if any) and tag of each word.

    Blanks separate the words. A blank line is a document border. A word may contain
    the separator; its POS and tag may not.

    source (Source): The file.
    separator (str): What separates a word from its tag.
    n_parts (int): What follows each word: 2 with a part of speech, else 1.
    forms (TagForms): How tags are spelled.
    skip_bad (bool): Leave out, and count, lines with a fault.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order, numbered by document.
    RAISES (FormatError): After the last sentence, for all lines with a word without its
        parts or without a well-formed tag; at once for a line that is too long.
    """
    checker = TagReader(source, forms)
    faults = Faults(source.name, skip_bad=skip_bad)
    wanted = separator.join(["word", "POS", "TAG"] if n_parts == 2 else ["word", "TAG"])
    document, in_document = 0, False
    sentence = None
    for first, lines in read_lines(source):
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                document += in_document
                in_document = False
                continue
            in_document = True
            rows = [cell.rsplit(separator, n_parts) for cell in split_at_blanks(line)]
            try:
                sentence = _make_sentence(rows, number, document, wanted, checker)
            except FormatError as err:
                sentence = None
                faults.add("malformed word or tag", err)
                faults.skip(f"{source.name}:{number}", notes)
            else:
                yield sentence
    if sentence is not None:
        checker.check_last(sentence.tags[-1], sentence.lines[-1], notes)
    faults.check()


def _make_sentence(
    rows: list[list[str]], line: int, document: int, wanted: str, checker: TagReader
) -> Sentence:
    separator = wanted[4]
    for row in rows:
        if len(row) != wanted.count(separator) + 1 or not row[0]:
            raise FormatError(
                checker.source.name,
                f"'{separator.join(row)[:60]}', expected {wanted}, blanks between words. "
                "Fix the line; the file may be cut.",
                line=line,
            )
    tags = [checker.check(row[-1], line) for row in rows]
    return Sentence([row[0] for row in rows], tags, [line] * len(rows), document)


PIPED_FORMATS = (
    FileFormat("wikiner", _is_piped, _open_piped),
    FileFormat("word-tag", _is_word_tag, _open_word_tag),
)
"""Formats of one sentence a line, with a tag at each word."""
