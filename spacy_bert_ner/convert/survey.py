"""A data file → what a first pass over its sentences finds; memory grows with sentences only."""

import re
import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from ..progress import ShowProgress, hide_progress
from ..read.data_file import DataFile
from ..read.languages import UNSPACED
from ..read.sentence import FormatError, Notes
from ..schemes import Bigrams, count_bigrams, count_entities, count_strays, recognise_scheme
from .spacing import is_unspaced

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_EXCEL_DATE = re.compile(rf"\d\d?-{_MONTH}(?:-\d\d)?|{_MONTH}-\d\d")
_BATCH = 4_096  # words that are counted at once
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});")
_MARKER = re.compile(r"</?(?:s|eos|bos|unk|pad)>|\[(?:CLS|SEP|PAD|UNK|MASK)\]|##\w+", re.IGNORECASE)
_FUSED = re.compile(r"\d+[-_:.]?[^\W\d_]+|[^\W\d_]+[-_:.]?\d+")
MANY_SENTENCES = 20
"""Sentences that are not all of one word by chance."""
LONG_SENTENCE = 1_000
"""Words above which a sentence is worth a note."""


@dataclass
class Survey:
    """Facts about one file, and five numbers for each of its sentences.

    data (DataFile): The file.
    part (int | None): Number of the part that the user gave the file to.
    scheme (str): Its tag scheme.
    n_strays (int): Pairs of neighbouring tags that the scheme does not allow.
    bigrams (Bigrams): All pairs of neighbouring tags.
    words (Counter[str]): Its distinct words.
    invisible (set[str]): Words of control, zero-width or white-space characters only.
    veiled (set[str]): Other words that begin or end with such a character.
    keys (array): A hash of each sentence's words.
    tag_keys (array): A hash of each sentence's tags.
    lengths (array): Words of each sentence.
    lines (array): Line of each sentence.
    documents (array): Number of each sentence's document.
    labels (list[tuple[str, ...]]): Labels of each sentence; equal ones are one tuple.
    notes (Notes): What was noticed in reading.
    """

    data: DataFile
    part: int | None = None
    scheme: str = ""
    n_strays: int = 0
    bigrams: Bigrams = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    invisible: set[str] = field(default_factory=set)
    veiled: set[str] = field(default_factory=set)
    keys: array = field(default_factory=lambda: array("q"))
    tag_keys: array = field(default_factory=lambda: array("q"))
    lengths: array = field(default_factory=lambda: array("q"))
    lines: array = field(default_factory=lambda: array("q"))
    documents: array = field(default_factory=lambda: array("q"))
    labels: list[tuple[str, ...]] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)

    @cached_property
    def hidden(self) -> set[str]:
        """RETURNS (set[str]): All words with characters at an end that do not show."""
        return self.invisible | self.veiled

    @property
    def entities(self) -> Counter[str]:
        """RETURNS (Counter[str]): Entities of each label in the file."""
        return count_entities(self.bigrams)

    @property
    def n_documents(self) -> int:
        """RETURNS (int): Documents whose borders the file marks; 0 if it marks none."""
        numbers = set(self.documents)
        return len(numbers) if max(numbers) > 0 else 0

    def find_hidden(self) -> None:
        """Find the words with characters that do not show."""
        for word in self.words:
            if word.isalnum() or (word.isascii() and word.isprintable() and " " not in word):
                continue
            if is_invisible(word):
                self.invisible.add(word)
            elif is_invisible(word[0]) or is_invisible(word[-1]):
                self.veiled.add(word)

    def count(self, words: list[str], tags: list[str]) -> None:
        """Count the words and tags of some sentences, "" before each, and empty the lists."""
        self.words.update(words)
        count_bigrams(self.bigrams, tags[1:])
        words.clear()
        tags.clear()


def survey_file(
    data: DataFile, *, part: int | None = None, progress: ShowProgress = hide_progress
) -> Survey:
    """Pass over a file once.

    data (DataFile): The file.
    part (int | None): Number of the part that the user gave it to.
    progress (ShowProgress): Watches the sentences.
    RETURNS (Survey): What was found.
    RAISES (FormatError): At the first fault, and if the file has no sentence or tags of
        two schemes.
    """
    survey = Survey(data, part)
    label_sets: dict[frozenset[str], tuple[str, ...]] = {}
    sentences = data.sentences(survey.notes)
    words: list[str] = []
    tags: list[str] = []
    for sentence in progress(sentences, text=f"Reading {data.source.name}"):
        if len(words) > _BATCH:
            survey.count(words, tags)
        words += sentence.words
        tags += ("", *sentence.tags)
        survey.keys.append(hash(tuple(sentence.words)))
        survey.tag_keys.append(hash(tuple(sentence.tags)))
        survey.lengths.append(len(sentence.words))
        survey.lines.append(sentence.lines[0])
        survey.documents.append(sentence.document)
        distinct = frozenset(sentence.tags)
        if distinct not in label_sets:
            label_sets[distinct] = tuple(sorted({tag[2:] for tag in distinct if tag != "O"}))
        survey.labels.append(label_sets[distinct])
        if len(sentence.words) > LONG_SENTENCE and not sentence.is_text:
            survey.notes.add(
                "long-sentence",
                f"sentences of more than {LONG_SENTENCE:,} words: a blank line may be missing",
                f"{data.source.name}:{sentence.lines[0]} ({len(sentence.words):,} words)",
            )
    survey.count(words, tags)
    if len(survey.keys) >= MANY_SENTENCES and max(survey.lengths) == 1 and not data.has_texts:
        text = "sentences, each of one word: a blank line after each word? Keep every other line"
        survey.notes.add("one-word-sentences", text, data.source.name, count=len(survey.keys))
    if not survey.keys:
        why = survey.notes.describe()
        advice = f"{why}. Give a file with annotated ones." if why else "Fetch the file again."
        raise FormatError(data.source.name, f"no sentence, expected at least one. {advice}")
    try:
        survey.scheme = recognise_scheme(survey.bigrams)
    except ValueError as err:
        raise FormatError(data.source.name, str(err)) from err
    survey.n_strays = count_strays(survey.bigrams, survey.scheme)
    survey.find_hidden()
    return survey


def note_words(survey: Survey, notes: Notes) -> None:
    """Note words that a program has changed, or fused with their positions.

    survey (Survey): The file.
    notes (Notes): Takes the notes.
    """
    name = survey.data.source.name
    others = [word for word in survey.words if not word.isalpha()]
    for word in filter(_EXCEL_DATE.fullmatch, others):
        text = "words such as 06-Feb, which Excel makes of 6-2 or 2/6: compare with the source"
        notes.add("excel-date", text, f"{name} '{word}'", count=survey.words[word])
    for word in filter(_ENTITY.search, others):
        text = "words with codes of HTML, such as &amp; for &: decode the file (`html.unescape`)"
        notes.add("html-code", text, f"{name} '{word}'", count=survey.words[word])
    for word in filter(_MARKER.fullmatch, others):
        text = "words that are marks of a program, such as <eos>, [SEP] or ##s: remove their rows"
        notes.add("marker-word", text, f"{name} '{word}'", count=survey.words[word])
    fused = list(filter(_FUSED.fullmatch, others))
    if len(fused) > 10 and len(fused) * 2 > len(survey.words):
        text = (
            "distinct words that begin or end with a number: are these their positions? Remove "
            "them (in columns without a header, positions at the end, 0 1 2 …, are left out)"
        )
        place = ", ".join(map(repr, fused[:3]))
        notes.add("fused-number", text, f"{name} {place}", count=len(fused))


def note_script(survey: Survey, lang: str, notes: Notes) -> None:
    """Note words of a script that is written without blanks, if the language has blanks.

    survey (Survey): The file.
    lang (str): The language whose rules of spacing are used.
    notes (Notes): Takes the note.
    """
    n_words = 0 if lang in UNSPACED else sum(is_unspaced(word[0]) for word in survey.words)
    if n_words * 2 > len(survey.words) and not survey.data.has_texts:
        text = (
            f"distinct words in a script without blanks get blanks, as in the language '{lang}': "
            "set `lang` to zh, ja, th or the like"
        )
        notes.add("unspaced-script", text, survey.data.source.name, count=n_words)


def is_invisible(word: str) -> bool:
    """Whether a word has no character that shows: control, zero-width or white space.

    EXAMPLE:
        >>> [is_invisible(word) for word in ("\\x94", "\\u200b", " ", "a\\u200b")]
        [True, True, True, False]
    """
    return not word.isalnum() and all(unicodedata.category(char)[0] in "CZ" for char in word)
