"""CoNLL-U's rows of multiword tokens → the words of a sentence as its text has them."""

import re
from collections.abc import Sequence

from ..sentence import Sentence
from .layout import Layout
from .table import Row

JOINED = re.compile(r"\b(SpaceAfter=No|NoSpaceAfter)\b")
"""What the features of a word have if no blank follows it."""


def join_multiwords(
    sentence: Sentence, rows: Sequence[Row], layout: Layout
) -> tuple[Sentence, list[str]]:
    """Read a row such as `2-3 del` in place of its parts `de` and `el`.

    Parts that make up the text, such as `do` and `n't`, stay; between them is no blank. A
    joined word has the first tag of its parts that is not O.

    sentence (Sentence): The sentence of the parts, with spaces.
    rows (Sequence[Row]): All rows of the sentence.
    layout (Layout): Its columns.
    RETURNS (tuple[Sentence, list[str]]): The sentence, and words in which an entity is lost.
    """
    numbers = [row[layout.number] for row in rows]
    ids = [number for number in numbers if re.fullmatch(layout.number_form, number)]
    places = {number: i for i, number in enumerate(ids)}
    words, tags, lines = list(sentence.words), list(sentence.tags), list(sentence.lines)
    spaces = list(sentence.spaces or [True] * len(words))
    lost = []
    for row, number in reversed(list(zip(rows, numbers, strict=True))):
        first, _, last = number.partition("-")
        if first not in places or last not in places:
            continue
        part = slice(places[first], places[last] + 1)
        has_space = not JOINED.search(row[layout.misc])
        if "".join(words[part]) == row[layout.word]:
            spaces[part] = [False] * (len(words[part]) - 1) + [has_space]
            continue
        inside = [tag for tag in tags[part] if tag != "O"]
        if any(tag[0] != "I" and tag[2:] != inside[0][2:] for tag in inside[1:]):
            lost.append(row[layout.word])
        words[part], tags[part] = [row[layout.word]], inside[:1] or ["O"]
        lines[part], spaces[part] = lines[part][:1], [has_space]
    return sentence._replace(words=words, tags=tags, lines=lines, spaces=spaces), lost
