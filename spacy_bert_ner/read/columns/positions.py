"""Words that end with their position, such as 北0 京1 → the words."""

from collections.abc import Sequence


def strip_position(cell: str, last: int) -> tuple[str, int]:
    """Remove the position that ends a cell: the one after the last, or 0 or 1 again.

    cell (str): The cell.
    last (int): The position of the cell before it; -1 at the start of a sentence.
    RETURNS (tuple[str, int]): The word and its position; "" if there is none.

    EXAMPLE:
        >>> strip_position("京1", 0), strip_position("2", 1), strip_position("x3", 1)
        (('京', 1), ('', -1), ('', -1))
    """
    for number in (last + 1, 0, 1):
        word = cell.removesuffix(str(number))
        if word and word != cell:
            return word, number
    return "", -1


def strip_positions(cells: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): The words of a sentence; "" for a cell without its position."""
    words, last = [], -1
    for cell in cells:
        word, last = strip_position(cell, last)
        words.append(word)
    return words
