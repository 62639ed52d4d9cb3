"""A column file and the user's settings → which column is what, over the whole file, and why."""

from collections.abc import Sequence
from typing import NamedTuple

from .cells import find_named_columns
from .column_survey import ColumnSurvey, is_border_line
from .sentence import Advice, FormatError
from .settings import ReadSettings
from .source import Source
from .table import Dialect, Row, read_lines
from .tag_forms import (
    BARE,
    MOST_TAGS,
    USUAL,
    TagForms,
    are_bare_labels,
    are_chunks,
    choose_forms,
)

_MOST_ROWS = 4  # rows that an error shows


class Layout(NamedTuple):
    """How the rows of one file are read.

    dialect (Dialect): How a line is split.
    n_columns (int): Columns of each row; the least, if rows are ragged.
    word (int): The word's column, from 0.
    tag (int): The tag's column, from 0.
    forms (TagForms): How tags are spelled.
    id (int): The column whose changes part sentences; -1 if blank lines do.
    n_header (int): Number of the header's line; 0 if there is none.
    misc (int): Column of CoNLL-U's features, with SpaceAfter=No; -1 if there is none.
    misc_key (str): Key of the tag among these features, if the tag is there.
    is_ragged (bool): Whether rows may have more columns.
    number (int): Column of the words' numbers; -1 if there is none.
    number_form (str): What the number of a word matches; rows with others are no words.
    offsets (int): Column of character offsets such as 0-4; -1 if there is none.
    tags (frozenset[str]): Tags of the file, by which a comment is told from a word.
    prefix (str): What each word begins with and is no part of it, such as `en:`.
    has_blank_words (bool): Whether a word of a blank is the space between its neighbours.
    ends (frozenset[str]): Words that end a sentence.
    how (str): What was found, where it is not obvious.
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
    has_blank_words: bool = False
    ends: frozenset[str] = frozenset()
    how: str = ""


def find_layout(source: Source, settings: ReadSettings) -> Layout:
    """Find how the rows of a column file are split, and which column is what.

    A header says it; else the content of the whole file: the tag's column is the one
    whose cells are tags, the word's is the first that holds neither tags, nor numbers that
    count the words, nor the same cell in all words of a sentence. The user's settings
    go before both.

    source (Source): The file.
    settings (ReadSettings): What the user says about it.
    RETURNS (Layout): The layout.
    RAISES (FormatError): If the file has no word, if two readings are possible, or if a
        column that was asked for is missing.
    """
    header = find_header(source, settings)
    if header is not None:
        survey, names = _survey_headed(source, settings, header), header.names
    else:
        survey, names = _survey_plain(source, settings), []
    if not survey.n_rows:
        raise FormatError(source.name, "no word in the file, expected a word and its tag a line.")
    if (len(names) or survey.width) < 2:
        raise FormatError(
            source.name,
            "1 column, expected a word and its tag in each line, with a tab or blanks between.",
            line=first_row(source)[0],
        )
    return _Finder(source, settings, survey, names).find()


class Header(NamedTuple):
    """A first line that names the columns of word and tag.

    line (int): Its number.
    delimiter (str): What it is split at.
    names (list[str]): Its cells.
    found (dict[str, int]): `id`, `word` and `tag` → column, from 0.
    """

    line: int
    delimiter: str
    names: Row
    found: dict[str, int]


def find_header(source: Source, settings: ReadSettings) -> Header | None:
    """RETURNS (Header | None): The header; None if the first line names no word and tag."""
    number, line = first_row(source)
    for delimiter in ("\t", ",", ";", ""):
        names = split_header(line, delimiter)
        found = find_named_columns(names, settings.columns)
        if "word" in found and "tag" in found and found["word"] != found["tag"]:
            return Header(number, delimiter, names, found)
    return None


def first_row(source: Source) -> tuple[int, str]:
    """RETURNS (tuple[int, str]): The first line that is neither blank nor a comment."""
    for first, lines in read_lines(source):
        for number, line in enumerate(lines, start=first):
            if not is_border_line(line) and not line.startswith("# "):
                return number, line.removeprefix("#") if line.startswith("#") else line
    return 0, ""


def split_header(line: str, delimiter: str) -> Row:
    """Split a header; its cells hold no delimiter, quoted or not."""
    cells = line.split(delimiter) if delimiter else Dialect("").split([line])[0]
    return [cell.strip().strip('"') for cell in cells]


def _survey_headed(source: Source, settings: ReadSettings, header: Header) -> ColumnSurvey:
    n_columns, tag = len(header.names), header.found["tag"]
    dialect = Dialect(header.delimiter, header.delimiter != "" and settings.quoting != "none")
    survey = ColumnSurvey(dialect, n_header=header.line).survey_tags(source, n_columns, tag)
    if dialect.is_quoted and survey.n_misfits and settings.quoting == "auto":
        plain = _choose_quoting(source, dialect, n_columns)
        if plain != dialect:
            survey = ColumnSurvey(plain, n_header=header.line)
            survey.survey_tags(source, n_columns, tag)
    return survey


def _choose_quoting(source: Source, dialect: Dialect, width: int) -> Dialect:
    # lines with quotes decide: what fits only without quoting is not quoted
    plain = dialect._replace(is_quoted=False)
    n_plain = n_quoted = 0
    for _, lines in read_lines(source):
        for line in lines:
            if '"' in line:
                fits_plain = len(plain.split([line])[0]) == width
                fits_quoted = len(dialect.split_quoted(line)) == width
                n_plain += fits_plain and not fits_quoted
                n_quoted += fits_quoted and not fits_plain
    return plain if n_plain > n_quoted else dialect


def _survey_plain(source: Source, settings: ReadSettings) -> ColumnSurvey:
    # without header: the dialect that splits all rows alike
    by_runs = ColumnSurvey(Dialect("")).survey(source)
    has_tabs = any("\t" in line for _, lines in read_lines(source) for line in lines[:100])
    if not has_tabs and by_runs.is_even and by_runs.width > 1:
        return by_runs
    by_tabs = ColumnSurvey(Dialect("\t", settings.quoting == "csv")).survey(source)
    if by_tabs.width > 1 and by_tabs.share > by_runs.share:
        return by_tabs
    if by_tabs.width > 1 and by_tabs.share == by_runs.share:
        has_borders = by_tabs.border_widths != by_runs.border_widths
        if has_borders and by_tabs.width in by_tabs.border_widths:
            return by_tabs
        if has_borders and by_runs.width in by_runs.border_widths:
            return by_runs
        return by_runs if by_runs.looks_like_pos() or by_runs.width == by_tabs.width else by_tabs
    if by_runs.width > 1 and by_runs.share > 0.9:
        return by_runs
    best = by_runs
    for delimiter in (",", ";"):
        dialect = Dialect(delimiter, settings.quoting != "none")
        other = ColumnSurvey(dialect).survey(source)
        if other.width > 1 and (best.width == 1 or other.share > best.share):
            best = other
    return best


class _Finder:
    # the columns of one file

    def __init__(
        self, source: Source, settings: ReadSettings, survey: ColumnSurvey, names: Row
    ) -> None:
        self.source = source
        self.settings = settings
        self.survey = survey
        self.names = names
        self.n_columns = len(names) or survey.width
        self.named = find_named_columns(names, settings.columns) if names else {}
        self.reasons: list[str] = []

    def find(self) -> Layout:
        survey, settings = self.survey, self.settings
        if self.names:
            self.reasons.append("the header names the columns")
        tag, forms = self._find_tag()
        word = self._find_word(tag)
        column = survey.columns[word] if word < len(survey.columns) else None
        has_blank_words = bool(
            column and column.n_blank and column.n_chars < 1.3 * (survey.n_rows - column.n_blank)
        )
        prefix = (column.prefix or "") if column and survey.n_rows > 2 else ""
        if prefix:
            self.reasons.append(f"each word begins with '{prefix}', left out")
        if has_blank_words:
            self.reasons.append("words of a blank are the spaces between the others")
        if forms.name:
            self.reasons.append(f"tags are {forms.name}")
        if forms.read_tags is None and tag < len(survey.columns):
            blanks = {cell: survey.columns[tag].cells[cell] for cell in ("_", "-")}
            self.reasons += [
                f"tag '{cell}' counts as O ({n:,} ×)" for cell, n in blanks.items() if n
            ]
        id_column = self._find_id()
        misc = self.names.index("MISC") if "MISC" in self.names else -1
        ends = frozenset(settings.split_at.split())
        self._check_borders(id_column, ends)
        what = f"words in column {word + 1}, tags in column {tag + 1} of {self.n_columns}"
        return Layout(
            dialect=survey.dialect,
            n_columns=self.n_columns,
            word=word,
            tag=tag,
            forms=forms,
            id=id_column,
            n_header=survey.n_header,
            misc=misc,
            prefix=prefix,
            has_blank_words=has_blank_words,
            ends=ends,
            tags=frozenset(survey.columns[tag].cells) if tag < len(survey.columns) else frozenset(),
            how="; ".join([f"{what}, {survey.dialect}", *self.reasons]) if self.reasons else "",
        )

    def _find_id(self) -> int:
        return self.named.get("id", -1)

    def _check_borders(self, id_column: int, ends: frozenset[str]) -> None:
        # a CSV without ids has blank rows, or nothing that parts sentences
        is_csv = bool(self.names) and self.survey.dialect.delimiter in (",", ";")
        if is_csv and id_column < 0 and not self.survey.n_gaps and not ends:
            others = [name for name in self.names if name.strip()]
            raise FormatError(
                self.source.name,
                f"columns {', '.join(map(repr, others))[:300]}, no 'sentence #' and no blank rows: "
                "nothing parts the sentences. Add blank rows, name the column of the sentence's "
                "id in `columns`, or name the words that end a sentence.",
                line=self.survey.n_header,
                advice=[{"split_at": ". ! ?"}],
            )

    def _get_forms(self, number: int) -> TagForms | None:
        # how the tags of a column are spelled, if it holds tags
        column = self.survey.columns[number]
        if column.is_open:
            return None
        return choose_forms(
            column.cells, label=self.settings.label, is_bare=self.settings.bare_labels
        )

    def _find_tag(self) -> tuple[int, TagForms]:
        asked = self.settings.tag_column
        if "tag" in self.named or asked != -1:
            tag = self._check_column("tag", asked) if asked != -1 else self.named["tag"]
            return tag, self._require_forms(tag)
        usual = {}
        for number, column in enumerate(self.survey.columns[: self.n_columns]):
            forms = self._get_forms(number)
            has_entities = any(cell not in ("O", "o", "_", "-", "*") for cell in column.cells)
            if forms is not None and has_entities and not are_chunks(column.cells):
                usual[number] = forms
        if self.settings.bare_labels:
            last = self.n_columns - 1
            usual = {last: BARE} if not self.survey.columns[last].is_open else {}
        if len(usual) > 1:
            cells = [self.survey.columns[number].cells for number in usual]
            if any(other != cells[0] for other in cells[1:]):
                self._refuse_two_readings(list(usual))
        if usual:
            tag = max(usual)
            if tag != self.n_columns - 1:
                self.reasons.append(f"column {tag + 1} is the only one with tags")
            return tag, usual[tag]
        tag = self.n_columns - 1
        return tag, self._require_forms(tag)

    def _require_forms(self, tag: int) -> TagForms:
        column = self.survey.columns[tag] if tag < len(self.survey.columns) else None
        forms = self._get_forms(tag) if column else None
        if forms is not None:
            return forms
        if column is not None and not column.is_open:
            inside = {cell.upper() for cell in column.cells} - {"O", "_", "-"}
            if inside and inside <= set("BI"):
                raise FormatError(
                    self.source.name,
                    f"tags {', '.join(sorted(column.cells))} in column {tag + 1} name no label. "
                    "Name it.",
                    advice=[{"label": "ENTITY"}],
                )
            if are_bare_labels(column.cells):
                return BARE
        if column is not None and column.is_open:
            raise FormatError(
                self.source.name,
                f"more than {MOST_TAGS:,} different cells in column {tag + 1}, expected tags. "
                "Name the column of the tags with `tag_column`.",
            )
        return USUAL

    def _find_word(self, tag: int) -> int:
        asked = self.settings.word_column
        if asked != 1:
            return self._check_column("word", asked)
        if "word" in self.named:
            return self.named["word"]
        skipped: list[str] = []
        for number, column in enumerate(self.survey.columns[: self.n_columns]):
            is_tag = number == tag or self._is_tag_column(number)
            is_counter = column.is_index or (column.is_constant and self.survey.n_rows > 20)
            if not (is_tag or is_counter):
                if skipped:
                    listed = " and ".join(skipped)
                    self.reasons.append(f"{listed}, so the words are in column {number + 1}")
                return number
            what = "holds tags" if is_tag else "counts words or sentences"
            skipped.append(f"column {number + 1} {what}")
        return 0

    def _is_tag_column(self, number: int) -> bool:
        column = self.survey.columns[number]
        has_entities = any(cell not in ("O", "o", "_", "-") for cell in column.cells)
        return self._get_forms(number) is not None and has_entities

    def _check_column(self, kind: str, column: int) -> int:
        n_columns = self.n_columns
        if column == 0 or not -n_columns <= column <= n_columns:
            raise FormatError(
                self.source.name,
                f"{n_columns} columns, expected the {kind} in column {column} "
                f"({self.survey.dialect}). Set `{kind}_column` to another one (1 is the first, -1 "
                "the last), or check the separators.",
            )
        return column - 1 if column > 0 else n_columns + column

    def _refuse_two_readings(self, tags: Sequence[int]) -> None:
        rows = first_rows(self.source, self.survey)
        lines, advice = [], []
        for tag in tags:
            word = self._find_word(tag)
            self.reasons.clear()
            options: Advice = {"word_column": word + 1, "tag_column": tag + 1}
            cells = ", ".join(f"{row[word][:30]} {row[tag][:30]}" for row in rows)
            lines.append(f"tags in column {tag + 1} ({cells} …)")
            advice.append(options)
        raise FormatError(
            self.source.name,
            f"{len(tags)} columns hold tags: {' or '.join(lines)}. Say which one counts.",
            advice=advice,
        )


def first_rows(source: Source, survey: ColumnSurvey) -> list[Row]:
    """RETURNS (list[Row]): The first rows that have the columns of most rows."""
    _, lines = next(read_lines(source))
    rows = survey.dialect.split([line for line in lines[:200] if not line.startswith("#")])
    return [row for row in rows if len(row) == survey.width][:_MOST_ROWS]
