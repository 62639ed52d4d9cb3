"""Words of a corpus → whether a blank follows each of them, as people write."""

from collections.abc import Sequence

_CLOSING = frozenset(". , ; : ! ? ) ] } % ... .. … ’ ” » '' ’’ ° ™ ®".split())
_OPENING = frozenset("( [ { $ £ ¥ ¿ ¡ “ ‘ „ « `` ` # US$ C$ A$".split())
_CLITICS = frozenset("'s 's ’s 'll ’ll 've ’ve 're ’re 'd ’d 'm ’m n't n’t 'S 'T".split())
_QUOTES = frozenset(['"', "'"])

_GLUE_LEFT, _GLUE_RIGHT, _QUOTE = 1, 2, 4


def natural_spaces(words: Sequence[str]) -> list[bool]:
    """Decide after which words a blank stands in natural text.

    words (Sequence[str]): The words of one sentence.
    RETURNS (list[bool]): One for each word; the last word has no blank.

    EXAMPLE:
        >>> natural_spaces(["London", "'s", "bus", "(", "red", ")", "."])
        [False, True, True, False, False, False, False]
    """
    spaces = [True] * len(words)
    open_quotes: set[str] = set()
    for i, word in enumerate(words):
        glue = _CLASSES.get(word)
        if glue is None:
            continue
        if glue == _QUOTE:
            glue = _quote_side(words, i, open_quotes)
        if glue & _GLUE_LEFT and i:
            spaces[i - 1] = False
        if glue & _GLUE_RIGHT:
            spaces[i] = False
    if spaces:
        spaces[-1] = False
    return spaces


def _quote_side(words: Sequence[str], i: int, open_quotes: set[str]) -> int:
    word = words[i]
    if word in open_quotes:
        open_quotes.discard(word)
        return _GLUE_LEFT
    if word == "'" and i and words[i - 1][-1:] in "sSxz" and word not in words[i + 1 :]:
        return _GLUE_LEFT  # the students ' return
    open_quotes.add(word)
    return _GLUE_RIGHT


_CLASSES = {
    **dict.fromkeys(_CLOSING | _CLITICS, _GLUE_LEFT),
    **dict.fromkeys(_OPENING, _GLUE_RIGHT),
    **dict.fromkeys(_QUOTES, _QUOTE),
}
