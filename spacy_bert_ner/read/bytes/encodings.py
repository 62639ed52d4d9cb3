"""Bytes that are not UTF-8 → the encoding in which their words look like the language."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from spacy.util import get_lang_class

BAR = 0.6
"""Share of the characters that must fit the language, below which nothing is guessed."""

_LONGEST_REST = 1 << 16
_MOST_WORDS = 20_000
_WORD = re.compile(rb"[^\s,;]*[\x80-\xff][^\s,;]*")
_CYRILLIC = ("cp1251", "koi8_u", "iso8859_5", "cp866", "mac_cyrillic")
_CENTRAL = ("cp1250", "iso8859_2", "cp852")
_WESTERN = ("cp1252", "mac_roman", "cp850")
_CODECS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "tt"), _CYRILLIC),
    **dict.fromkeys(("pl", "cs", "sk", "hu", "sl", "hr", "ro", "sq"), _CENTRAL),
    **dict.fromkeys(("tr", "az"), ("cp1254", "cp857")),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257", "iso8859_4")),
    **dict.fromkeys(("ar", "fa", "ur"), ("cp1256", "iso8859_6")),
    "el": ("cp1253", "iso8859_7"),
    "he": ("cp1255", "iso8859_8"),
    "vi": ("cp1258",),
    "th": ("cp874",),
    "zh": ("gb18030", "big5hkscs"),
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
}
# languages that stand for their group when nothing fits the language that is set
_OTHERS = ("ru", "uk", "pl", "cs", "hu", "tr", "lt", "el", "he", "ar", "th", "zh", "ja", "ko", "fr")
_WESTERN_LETTERS = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœßšžðþ")
_MARKS = frozenset("“”‘’„‚«»‹›–—…•·¿¡€£§°№©®™´`¨\u00a0、。，！？：；（）「」『』《》【】・～")
_WIDE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "IDEOGRAPHIC")


class Guess(NamedTuple):
    """An encoding, and how well the text fits the language.

    encoding (str): The codec.
    lang (str): The language.
    certainty (float): Share of the characters outside ASCII that fit the language.
    words (list[str]): Three words that show it.
    """

    encoding: str
    lang: str
    certainty: float
    words: list[str]

    def __str__(self) -> str:
        """Say it to the user."""
        words = ", ".join(f"'{word[:30]}'" for word in self.words)
        return f"{self.encoding} ({self.certainty:.0%} fits language {self.lang}: {words})"


def collect_words(chunks: Iterable[bytes]) -> list[bytes]:
    """Collect the distinct words with bytes above 127, in the order of the file.

    chunks (Iterable[bytes]): The whole file, cut anywhere.
    RETURNS (list[bytes]): At most 20,000 words.
    """
    words: dict[bytes, None] = {}
    rest = b""
    for chunk in chunks:
        if chunk.isascii() and rest.isascii():
            rest = chunk[chunk.rfind(b"\n") + 1 :][-_LONGEST_REST:]
            continue
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_REST:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if not line.isascii():
                words.update(dict.fromkeys(_WORD.findall(line[:_LONGEST_REST])))
        if len(words) > _MOST_WORDS:
            break
    words.update(dict.fromkeys(_WORD.findall(rest)))
    return list(words)[:_MOST_WORDS]


def guess_encoding(words: list[bytes], lang: str) -> list[Guess]:
    """Guess in which encoding words are written in a language.

    words (list[bytes]): Distinct words with bytes above 127.
    lang (str): The language that they should be in.
    RETURNS (list[Guess]): The best guess for the language first, if it reaches `BAR`;
        else the best guesses for other languages after it.
    """
    guesses = _guess_for(words, lang)
    if not guesses or guesses[0].certainty < BAR:
        others = [guess for other in _OTHERS for guess in _guess_for(words, other)[:1]]
        others = [guess for guess in others if guess.certainty >= BAR]
        guesses = guesses[:1] + sorted(others, key=_certainty, reverse=True)[:3]
    return guesses


def _certainty(guess: Guess) -> float:
    return guess.certainty


def _guess_for(words: list[bytes], lang: str) -> list[Guess]:
    letters = find_letters(lang)
    guesses = []
    for codec in _CODECS.get(lang, _WESTERN):
        try:
            decoded = [word.decode(codec) for word in words]
        except UnicodeDecodeError:
            continue
        fits = [_count_fitting(word, letters) for word in decoded]
        total = sum(n for _, n in fits) or 1
        shown = sorted(
            (word for word in decoded if any(map(str.isalpha, word))), key=len, reverse=True
        )
        share = sum(n for n, _ in fits) / total
        guesses.append(Guess(codec, lang, share, (shown or decoded)[:3]))
    return sorted(guesses, key=_certainty, reverse=True)


@lru_cache(maxsize=64)
def find_letters(lang: str) -> frozenset[str]:
    """Find the letters outside ASCII that a language writes, from spaCy's stop words.

    lang (str): The language's code; one that spaCy does not have has no letters.
    RETURNS (frozenset[str]): Lower-case letters.
    """
    try:
        stops = get_lang_class(lang).Defaults.stop_words
    except ImportError:
        return frozenset()
    letters = {char for word in stops for char in word.lower() if char > "\x7f"}
    if _CODECS.get(lang) is _CYRILLIC:
        letters.update("абвгдежзийклмнопрстуфхцчшщьюя")
    return frozenset(letters)


def _count_fitting(word: str, letters: frozenset[str]) -> tuple[float, int]:
    # characters outside ASCII that fit the language, of how many
    foreign = [i for i, char in enumerate(word) if char > "\x7f"]
    n_ascii = sum(char.isascii() and char.isalpha() for char in word)
    is_mostly_ascii = sum(word[i].isalpha() for i in foreign) <= n_ascii
    has_wide = any(map(_is_wide, letters))
    fitting, marks = 0.0, 0
    for i in foreign:
        char = word[i].lower()[0]
        if i and word[i].isupper() and word[i - 1].islower():
            continue
        if char in _MARKS or unicodedata.category(char) in ("Mn", "Mc"):
            marks += 1
        elif char in letters:
            # no word mixes Latin with another script
            fitting += 1 if char < "\u0300" or not n_ascii else 0
        elif has_wide and _is_wide(char):
            fitting += 0.7
        elif char in _WESTERN_LETTERS:
            fitting += 0.8 * is_mostly_ascii
    is_clean = bool(fitting) or marks == len(foreign)
    return fitting + marks * is_clean, len(foreign)


def _is_wide(char: str) -> bool:
    return char > "\u1100" and unicodedata.name(char, "").startswith(_WIDE)
