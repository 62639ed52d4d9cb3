"""CoNLL and any other column file ↔ sentences."""

from collections.abc import Iterator
from typing import NamedTuple

from ..schemes import spans_to_tags
from .sentence import DocData, FormatError, Notes, Sentence
from .source import Source, split_at_blanks
from .tags import TagChecker

DOCSTART = "-DOCSTART-"
LONGEST_ONLY_SENTENCE = 1_000
"""Words of a file without any blank line, above which the blank lines must be missing."""


class Layout(NamedTuple):
    """How the lines of one file are parted.

    has_tabs (bool): Whether single tabs part the columns, or runs of blanks and tabs.
    n_columns (int): Columns of each word line.
    word (int): The word's column, from 0.
    tag (int): The tag's column, from 0.
    """

    has_tabs: bool
    n_columns: int
    word: int
    tag: int

    def split(self, line: str) -> list[str]:
        """Split a line into its cells."""
        if self.has_tabs:
            return [cell.strip(" ") for cell in line.split("\t")]
        return split_at_blanks(line)


def find_layout(source: Source, *, word_column: int = 1, tag_column: int = -1) -> Layout:
    """Find how a column file's lines are parted, over the whole file.

    The rule: columns are parted by runs of blanks and tabs alike. Only if that leaves
    lines of different lengths and single tabs alone do not, tabs part them, and a word
    may hold blanks.

    source (Source): The file.
    word_column (int): Column of the word: 1 is the first, -1 the last.
    tag_column (int): Column of the tag, counted alike.
    RETURNS (Layout): The layout that fits each word line.
    RAISES (FormatError): If no layout fits: names the first line that does not; if the
        file has no word, or not the columns asked for.
    """
    by_runs, by_tabs = _Widths(), _Widths()
    with source.open_text() as file:
        for number, line in enumerate(file, start=1):
            text = line.strip(" \t\n")
            if not text or text.isspace():
                continue
            is_border = text.startswith(DOCSTART)
            by_runs.add(len(split_at_blanks(text)), number, is_border=is_border)
            by_tabs.add(line.rstrip("\n").count("\t") + 1, number, is_border=is_border)
    if not by_runs.width:
        raise FormatError(source.name, "no word in the file, expected a word and its tag a line.")
    has_tabs = by_tabs.width > 1 and by_tabs.is_even and not by_runs.is_even
    if by_tabs.width > 1 and by_tabs.is_even and by_runs.is_even:
        # every line fits both ways: the document borders tell, if they tell at all
        has_tabs = by_tabs.width in by_tabs.borders and by_runs.width not in by_runs.borders
    widths = by_tabs if has_tabs else by_runs
    if not widths.is_even:
        raise FormatError(
            source.name,
            f"{widths.odd_width} columns, expected {widths.width} as on line {widths.first}. "
            "Check the separators (a word with a blank in it needs tabs); the file may be cut.",
            line=widths.odd_line,
        )
    return Layout(
        has_tabs,
        widths.width,
        _find_column(source, "word", word_column, widths.width),
        _find_column(source, "tag", tag_column, widths.width),
    )


def read_columns(source: Source, *, layout: Layout, notes: Notes) -> Iterator[Sentence]:
    """Read a word a line: its tag in another column, blank lines between sentences.

    A line that begins with -DOCSTART- is a document border, in all of its forms.

    source (Source): The file.
    layout (Layout): What `find_layout` found.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order, numbered by document.
    RAISES (FormatError): At the first line with no word or no well-formed tag, and if
        there is no blank line in a long file.
    """
    words: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    checker = TagChecker(source)
    document, n_sentences, number = 0, 0, 0
    with source.open_text() as file:
        for number, line in enumerate(file, start=1):
            is_blank = line.isspace()
            cells = [] if is_blank else layout.split(line.rstrip("\n"))
            is_border = line.startswith(DOCSTART) or DOCSTART in cells[layout.word :][:1]
            if is_blank or is_border:
                if words:
                    yield Sentence(words, tags, lines, document)
                    words, tags, lines = [], [], []
                    n_sentences += 1
                document += is_border
                continue
            word = cells[layout.word]
            if not word:
                raise FormatError(
                    source.name, "the word is empty, expected one word. Mend it.", line=number
                )
            words.append(word)
            tags.append(checker.check(cells[layout.tag], number))
            lines.append(number)
    if not n_sentences and len(words) > LONGEST_ONLY_SENTENCE:
        raise FormatError(
            source.name,
            f"no blank line: 1 sentence of {len(words):,} words? Expected a blank line after each "
            "sentence. Put them in.",
        )
    if words:
        checker.check_last(tags[-1], number)
        yield Sentence(words, tags, lines, document)


def doc_to_columns(doc: DocData) -> str:
    """Write a Doc as a word, a tab and an IOB2 tag a line: the inverse of `read_columns`.

    doc (DocData): The Doc; its spaces are not kept.
    RETURNS (str): Its lines, after a -DOCSTART- line.
    RAISES (ValueError): If a word or label holds a tab or a line end, or a word has
        blanks at an end.
    """
    tags = spans_to_tags(doc.spans, len(doc.words))
    lines = [f"{DOCSTART}\tO\n"]
    starts = set(doc.starts or [0])
    for i, (word, tag) in enumerate(zip(doc.words, tags, strict=True)):
        is_odd = word.isspace() or word != word.strip(" ") or word.startswith(DOCSTART)
        if is_odd or set("\t\n\r") & set(word + tag):
            raise ValueError(
                f"Word {word!r} with tag {tag!r}: a column file cannot hold a tab, a line end, "
                f"blanks at an end or {DOCSTART}. Write .spacy or .jsonl."
            )
        lines.append("\n" * (i in starts) + f"{word}\t{tag}\n")
    return "".join(lines) + "\n"


class _Widths:
    # columns of the word lines under one rule, and those of the document borders

    def __init__(self) -> None:
        self.width = self.first = self.odd_width = self.odd_line = 0
        self.borders: set[int] = set()

    @property
    def is_even(self) -> bool:
        return not self.odd_line

    def add(self, width: int, line: int, *, is_border: bool) -> None:
        if is_border:
            self.borders.add(width)
        elif not self.width:
            self.width, self.first = width, line
        elif width != self.width and not self.odd_line:
            self.odd_width, self.odd_line = width, line


def _find_column(source: Source, kind: str, column: int, n_columns: int) -> int:
    if column == 0 or not -n_columns <= column <= n_columns:
        raise FormatError(
            source.name,
            f"{n_columns} columns, expected the {kind} in column {column} (--{kind}-column; 1 is "
            "the first, -1 the last). Name another column, or check the separators.",
        )
    return column - 1 if column > 0 else n_columns + column
