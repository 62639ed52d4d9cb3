"""How the rows of one column file are read."""

from typing import NamedTuple

from .table import Dialect
from .tag_forms import USUAL, TagForms


class Layout(NamedTuple):
    """How the rows of one file are read.

    dialect (Dialect): How a line is split.
    n_columns (int): Columns of each row; the least, if rows are ragged.
    word (int): The word's column, from 0.
    tag (int): The tag's column, from 0.
    forms (TagForms): How tags are spelled.
    id (int): The column whose changes separate sentences; -1 if blank lines do.
    n_header (int): Number of the header's line; 0 if there is none.
    misc (int): Column of CoNLL-U's features, with SpaceAfter=No; -1 if there is none.
    misc_key (str): Key of the tag among these features, if the tag is there.
    is_ragged (bool): Whether rows may have more columns.
    number (int): Column of the words' numbers; -1 if there is none.
    number_form (str): Pattern of the numbers of words; other rows are not words.
    offsets (int): Column of character offsets such as 0-4; -1 if there is none.
    tags (frozenset[str]): Tags of the file, which tell words from comments.
    prefix (str): The start of each word that is not part of it, such as `en:`.
    has_positions (bool): Whether each word ends with its position, as in 北0 京1.
    has_blank_words (bool): Whether a word of a blank is the space between its neighbours.
    ends (frozenset[str]): Words that end a sentence.
    how (str): What was found, if it is not obvious.
    """

    dialect: Dialect
    n_columns: int
    word: int
    tag: int
    forms: TagForms = USUAL
    id: int = -1
    n_header: int = 0
    misc: int = -1
    misc_key: str = ""
    is_ragged: bool = False
    number: int = -1
    number_form: str = ""
    offsets: int = -1
    tags: frozenset[str] = frozenset(("O",))
    prefix: str = ""
    has_positions: bool = False
    has_blank_words: bool = False
    ends: frozenset[str] = frozenset()
    how: str = ""
