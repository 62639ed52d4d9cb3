"""The cells of one column of a file → whether they may be tags, words, or what counts them."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from .positions import strip_position
from .tag_forms import MOST_TAGS

NUMBERS = "holds numbers"
"""Why a column of numbers does not hold words, unless no other column does."""

_ASIAN = "\u0e00"  # the first character of Thai; those of China, Japan and Korea come later
_PREFIX = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,8})?:(?=\S)")
_NUMBER = re.compile(r"[A-Za-z]?\d+(?:[-_.:][A-Za-z]?\d+)*")


class Column:
    """What one column holds.

    cells (Counter[str]): Distinct cells without the blanks around them; none if there are
        too many for tags.
    is_open (bool): Whether there were too many.
    is_index (bool): Whether it counts the words of each sentence.
    is_constant (bool): Whether it is the same in all words of a sentence.
    is_number (bool): Whether all cells are numbers such as 17, 2-5 or s2.w5.
    is_grouped (bool): Whether equal cells follow each other, as ids of sentences do.
    groups (set[str]): Its distinct cells, if it is grouped.
    n_blank (int): Cells of nothing but blanks.
    n_chars (int): Characters of all cells, where cells may hold blanks.
    prefix (str): The `en:` that each cell begins with, as in WikiAnn.
    has_positions (bool): Whether each cell is a character and its position, as in Weibo's 北0 京1.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.cells: Counter[str] = Counter()
        self.is_open = False
        self.is_index = True
        self.is_constant = True
        self.is_number = True
        self.is_grouped = True
        self.groups: set[str] = set()
        self.n_blank = self.n_chars = 0
        self.prefix: str | None = None
        self.has_positions = True
        self._n_asian = 0
        self._position = -1
        self._last = ""
        self._before = ""
        self._n_cells = 0

    def holds_positions(self, n_rows: int) -> bool:
        """Whether all cells are characters with positions, most of them of Asian scripts."""
        return self.has_positions and self._n_asian * 2 > n_rows > 2

    def add(self, raw: Sequence[str], starts: Sequence[bool], *, has_blanks: bool) -> None:
        """Take in some cells, and whether each starts a sentence."""
        cells = [cell.strip(" ") for cell in raw] if has_blanks else raw
        if has_blanks:
            self.n_chars += sum(map(len, cells))
            self.n_blank += cells.count("") - raw.count("")
        if self.prefix is None:
            match = _PREFIX.match(cells[0])
            self.prefix = match[0] if match else ""
        if self.prefix and not all(cell.startswith(self.prefix) for cell in cells):
            self.prefix = ""
        for cell, is_start in zip(cells, starts, strict=True) if self.has_positions else ():
            word, self._position = strip_position(cell, -1 if is_start else self._position)
            self._n_asian += word >= _ASIAN
            self.has_positions = len(word) == 1
            if not self.has_positions:
                break
        if not self.is_open:
            self.cells.update(cells)
            if len(self.cells) > MOST_TAGS:
                self.is_open = True
                self.cells.clear()
        self.is_number = self.is_number and all(map(_NUMBER.fullmatch, cells))
        if self.is_grouped:
            self._add_groups(cells)
        if not (self.is_index or self.is_constant):
            return
        last = self._last
        for cell, is_start in zip(cells, starts, strict=True):
            if is_start:
                self.is_index = self.is_index and cell in ("0", "1")
            else:
                self.is_constant = self.is_constant and cell == last
                self.is_index = self.is_index and last.isdecimal() and cell == str(int(last) + 1)
            if not (self.is_index or self.is_constant):
                break
            last = cell
        self._last = last

    def why_no_word(self, n_rows: int) -> str:
        """RETURNS (str): Why the column, one of so many rows, does not hold words; or ""."""
        if self.cells.keys() == {""}:
            return "is empty"
        is_id = self.is_constant or (self.is_grouped and len(self.groups) > 1)
        if self.is_index or (is_id and n_rows > 20):
            return "counts words or sentences"
        return NUMBERS if self.is_number else ""

    def _add_groups(self, cells: Sequence[str]) -> None:
        firsts = [cell for before, cell in pairwise([self._before, *cells]) if cell != before]
        self._before = cells[-1]
        self._n_cells += len(cells)
        self.is_grouped = len(set(firsts)) == len(firsts) and self.groups.isdisjoint(firsts)
        self.groups.update(firsts)
        if not self.is_grouped or len(self.groups) * 2 > self._n_cells:
            self.is_grouped = False
            self.groups.clear()
