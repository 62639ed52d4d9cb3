"""Words of a corpus → after which of them people write a blank."""

import re
from collections.abc import Sequence
from itertools import pairwise

from ..read.languages import UNSPACED

_LEFT, _RIGHT, _QUOTE, _UNIT, _CURRENCY, _LINK = 1, 2, 3, 4, 5, 6

_KINDS: dict[str, int] = {
    **dict.fromkeys([".", ",", ";", ":", "!", "?", ")", "]", "}", "...", "..", "…"], _LEFT),
    **dict.fromkeys(["’", "”", "»", "''", "’’", "™", "®"], _LEFT),
    **dict.fromkeys(["(", "[", "{", "¿", "¡", "“", "‘", "„", "«", "``", "`"], _RIGHT),
    **dict.fromkeys(['"', "'"], _QUOTE),
    **dict.fromkeys(["%", "‰", "°", "º", "ª", "°C", "°F"], _UNIT),
    **dict.fromkeys(["$", "£", "€", "¥", "#", "US$", "C$", "A$", "NZ$", "HK$"], _CURRENCY),
    **dict.fromkeys(["-", "–", "/", "&"], _LINK),
}

_CLITICS = {"en": "'s ’s 'S 'll ’ll 'LL 've ’ve 're ’re 'd ’d 'm ’m n't n’t N'T 'T 't ’t"}

_UNSPACED_SCRIPTS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\uff66-\uff9d\U00020000-\U0003ffff]"
)

_ENDS_IN_S = re.compile(r"\w[sSxzXZ]")


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that is written without blanks."""
    return _UNSPACED_SCRIPTS.match(char) is not None


class Spacer:
    """Writes words with natural spacing, by rules that look at neighbours only.

    Full stops, closing brackets and quotes, and in English clitics, join the word
    before; opening ones, and currency before a number, join the word after. Straight
    quotes take turns. `/`, `-` and `&` join as in `HIV/AIDS`, `1999-2001` and `S&P`, and
    have blanks elsewhere, as dashes do. Languages such as Chinese have blanks only
    between words of other scripts.

    lang (str): Language of the words; clitics are known for English.
    """

    def __init__(self, lang: str = "en") -> None:
        """Choose the language's rules."""
        clitics = dict.fromkeys(_CLITICS.get(lang, "").split(), _LEFT)
        self.kinds = {**_KINDS, **clitics}
        self.has_possessive = lang == "en"
        self.is_unspaced = lang in UNSPACED

    def find_spaces(self, words: Sequence[str]) -> list[bool]:
        """Decide which words have a blank after them.

        words (Sequence[str]): The words of one sentence.
        RETURNS (list[bool]): One for each word; after the last one there is none.

        EXAMPLE:
            >>> words = ["London", ",", "Iraq", "'s", "$", "5", "(", "HIV", "/", "AIDS", ")"]
            >>> spaces = Spacer("en").find_spaces(words)
            >>> "".join(word + " " * space for word, space in zip(words, spaces))
            "London, Iraq's $5 (HIV/AIDS)"
        """
        if self.is_unspaced:
            return _space_foreign_words(words)
        spaces = [True] * len(words)
        open_quotes: set[str] = set()
        kinds = self.kinds
        for i in [i for i, word in enumerate(words) if word in kinds]:
            word = words[i]
            kind = kinds[word]
            before, after = words[i - 1] if i else "", words[i + 1] if i + 1 < len(words) else ""
            if kind == _QUOTE:
                kind = self._turn_quote(word, words, i, open_quotes)
            if kind == _LINK:
                if _is_link(word, before, after):
                    spaces[i - 1] = spaces[i] = False
            elif kind == _CURRENCY:
                spaces[i] = not after[:1].isdigit()
            elif i and (kind == _LEFT or (kind == _UNIT and before[-1].isdigit())):
                spaces[i - 1] = False
            elif kind == _RIGHT:
                spaces[i] = False
        if spaces:
            spaces[-1] = False
        return spaces

    def _turn_quote(self, word: str, words: Sequence[str], i: int, open_quotes: set[str]) -> int:
        if word in open_quotes:
            open_quotes.discard(word)
            return _LEFT
        before = words[i - 1] if i else ""
        if word == "'" and self.has_possessive and _ENDS_IN_S.fullmatch(before[-2:]):
            return _LEFT  # the students' return
        closes = word not in words[i + 1 :] and (
            i == len(words) - 1 or before in (",", ".", "!", "?") or (i == 0 and words[1].islower())
        )
        if closes:
            return _LEFT  # opened in a sentence before
        open_quotes.add(word)
        return _RIGHT


def _space_foreign_words(words: Sequence[str]) -> list[bool]:
    # a blank between words such as "Steve Jobs", none between single characters
    spaces = [
        max(len(word), len(after)) > 1
        and word[-1].isalnum()
        and after[0].isalnum()
        and not is_unspaced(word[-1])
        and not is_unspaced(after[0])
        for word, after in pairwise(words)
    ]
    return [*spaces, False] if words else []


def _is_link(word: str, before: str, after: str) -> bool:
    if not before or not after:
        return False
    if word == "&":
        return len(before) == len(after) == 1 and before.isupper() and after.isupper()
    if word == "/":
        return before[-1].isalpha() and after[0].isalpha()
    return before.isdigit() and after.isdigit()
