"""A column file and the user's settings → which column is what, over the whole file, and why."""

from collections.abc import Sequence

from ...schemes import is_tag
from ..bytes.source import Source
from ..languages import UNSPACED
from ..sentence import FormatError, count_things
from ..settings import ReadSettings
from .column import NUMBERS
from .column_survey import MOST_COLUMNS, ColumnSurvey
from .dialects import first_rows, survey_headed, survey_plain
from .headers import find_header, find_named_columns, first_row
from .layout import Layout
from .table import Row
from .tag_forms import (
    BARE,
    MOST_TAGS,
    NO_ENTITY,
    USUAL,
    TagForms,
    are_bare_labels,
    are_chunks,
    are_numbers,
    choose_forms,
    describe_untagged,
    number_forms,
)


def find_layout(source: Source, settings: ReadSettings) -> Layout:
    """Find how the rows of a column file are split, and which column is what.

    A header names the columns. Otherwise, the content of the whole file decides: the
    column of the tags is the one whose cells are tags. The column of the words is the
    first that holds neither tags, nor numbers that count the words, nor the same cell in
    all words of a sentence. The user's settings take precedence.

    source (Source): The file.
    settings (ReadSettings): What the user says about it.
    RETURNS (Layout): The layout.
    RAISES (FormatError): If the file has no word, if two readings are possible, or if a
        column that the settings name is missing.
    """
    header = find_header(source, settings)
    is_row = header is None
    if header is not None:
        survey, names = survey_headed(source, settings, header), header.names
        # where numbers name the columns, any first line looks like a header
        tag, name = header.found["tag"], settings.columns.get("tag", "")
        cells = survey.columns[tag].cells
        is_row = name.isdecimal() and (is_tag(names[tag]) or names[tag] in cells)
    if is_row:
        survey, names = survey_plain(source, settings), []
    if not survey.n_rows:
        raise FormatError(source.name, "no word in the file, expected a word and its tag a line.")
    n_columns = len(names) or survey.width
    if not 2 <= n_columns <= MOST_COLUMNS:
        number, line = first_row(source)
        raise FormatError(
            source.name,
            f"{count_things(n_columns, 'column')} ({line[:60]!a}), expected a word and its tag in "
            "each line, with a tab or blanks between.",
            line=number,
        )
    return _Finder(source, settings, survey, names).find()


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
        self.named = find_named_columns(names or [""] * self.n_columns, settings.columns)
        for kind, asked in (("tag", settings.tag_column), ("word", settings.word_column)):
            if asked is not None:
                self.named[kind] = self._check_column(kind, asked)
        for kind in sorted(settings.columns.keys() - self.named.keys()):
            raise FormatError(
                source.name,
                f"{self._describe()}, and none that `columns` names for the {kind}: "
                f"'{settings.columns[kind]}'. Give its header, or its number from 1.",
                line=survey.n_header,
            )
        self.reasons = ["the header names the columns"] if names else []

    def find(self) -> Layout:
        survey, settings = self.survey, self.settings
        tag, forms = self._find_tag()
        word = self._find_word(tag)
        column = survey.columns[word]
        n_words = survey.n_rows - column.n_blank
        are_short = column.n_chars < 1.3 * n_words or settings.lang in UNSPACED
        has_blank_words = bool(column.n_blank and are_short)
        prefix = (column.prefix or "") if survey.n_rows > 2 else ""
        if prefix:
            self.reasons.append(f"each word begins with '{prefix}', left out")
        ends = frozenset(settings.split_at.split())
        has_positions = column.holds_positions(survey.n_rows) and not ends
        if has_positions:
            self.reasons.append("each character has its position (0, 1, …), left out")
        if has_blank_words:
            self.reasons.append("words of a blank are the spaces between the others")
        if forms.name:
            self.reasons.append(f"tags are {forms.name}")
        for cell in ("_", "-") if forms.read_tags is None else ():
            if n_cells := survey.columns[tag].cells[cell]:
                self.reasons.append(f"tag '{cell}' counts as O ({n_cells:,} ×)")
        id_column = self.named.get("id", -1 if self.names else survey.find_id(word, tag))
        if id_column >= 0 and not self.names:
            self.reasons.append(f"column {id_column + 1} holds the sentence's id")
        misc = self.names.index("MISC") if "MISC" in self.names else -1
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
            has_positions=has_positions,
            has_blank_words=has_blank_words,
            ends=ends,
            tags=frozenset(survey.columns[tag].cells),
            how="; ".join([f"{what}, {survey.dialect}", *self.reasons]) if self.reasons else "",
        )

    def _describe(self) -> str:
        names = ", ".join(map(repr, filter(str.strip, self.names)))[:300]
        return f"columns {names}" if names else f"{self.n_columns} columns without a header"

    def _check_borders(self, id_column: int, ends: frozenset[str]) -> None:
        # a CSV without ids has blank rows, or nothing separates its sentences
        is_csv = self.names and self.survey.dialect.delimiter in (",", ";", "|")
        if is_csv and id_column < 0 and not self.survey.n_gaps and not ends:
            raise FormatError(
                self.source.name,
                f"{self._describe()}, no 'sentence #' and no blank rows: nothing parts the "
                "sentences. Add blank rows, name the column of the sentence's id in `columns`, or "
                "name the words that end a sentence.",
                line=self.survey.n_header,
                advice=[{"split_at": ". ! ?"}],
            )

    def _get_forms(self, number: int) -> TagForms | None:
        # how the tags of a column are spelled, if it holds tags
        column = self.survey.columns[number]
        if column.is_open:
            return None
        settings = self.settings
        if are_numbers(column.cells):
            return number_forms(settings.tag_names) if settings.tag_names else None
        return choose_forms(column.cells, label=settings.label, is_bare=settings.bare_labels)

    def _find_tag(self) -> tuple[int, TagForms]:
        last = self.n_columns - 1
        if "tag" in self.named or self.settings.bare_labels:
            tag = self.named.get("tag", last)
            return tag, self._require_forms(tag)
        usual = {}
        for number, column in enumerate(self.survey.columns[: self.n_columns]):
            forms = self._get_forms(number)
            has_entities = not column.cells.keys() <= {*NO_ENTITY, "", "*"}
            if are_numbers(column.cells) and number != last:
                continue  # numbers of lines or words
            if forms is not None and has_entities and not are_chunks(column.cells):
                usual[number] = forms
        tag = max(usual, default=last)
        cells = self.survey.columns[tag].cells
        if any(self.survey.columns[number].cells != cells for number in usual):
            self._refuse_two_readings(list(usual))
        if tag != last:
            self.reasons.append(f"column {tag + 1} is the only one with tags")
        return tag, usual.get(tag) or self._require_forms(tag)

    def _require_forms(self, tag: int) -> TagForms:
        column = self.survey.columns[tag]
        if column.is_open:
            raise FormatError(
                self.source.name,
                f"more than {MOST_TAGS:,} different cells in column {tag + 1}, expected tags. "
                "Name the column of the tags with `tag_column`.",
            )
        forms = self._get_forms(tag)
        if forms is not None:
            return forms
        if are_bare_labels(column.cells):
            return BARE
        text, advice = describe_untagged(column.cells, tag)
        if text:
            raise FormatError(self.source.name, text, advice=advice)
        return USUAL

    def _find_word(self, tag: int) -> int:
        if self.named.get("word") == tag:
            raise FormatError(
                self.source.name,
                f"column {tag + 1} holds the tags, and `word_column` names it for the words. "
                "Set `word_column` to another one.",
            )
        if "word" in self.named:
            return self.named["word"]
        why = []
        for i, column in enumerate(self.survey.columns[: self.n_columns]):
            is_tag_column = self._get_forms(i) and not column.cells.keys() <= {*NO_ENTITY, ""}
            reason = column.why_no_word(self.survey.n_rows)
            why.append("holds tags" if i == tag or is_tag_column else reason)
        if all(why):  # the words themselves are numbers
            why = [reason if reason != NUMBERS else "" for reason in why]
        word = why.index("") if "" in why else 0
        if word:
            listed = " and ".join(f"column {i + 1} {why[i]}" for i in range(word))
            self.reasons.append(f"{listed}, so the words are in column {word + 1}")
        return word

    def _check_column(self, kind: str, column: int) -> int:
        n_columns = self.n_columns
        if column == 0 or not -n_columns <= column <= n_columns:
            raise FormatError(
                self.source.name,
                f"{count_things(n_columns, 'column')}, expected the {kind} in column {column} "
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
            advice.append({"word_column": word + 1, "tag_column": tag + 1})
            cells = ", ".join(f"{row[word][:30]} {row[tag][:30]}" for row in rows)
            lines.append(f"tags in column {tag + 1} ({cells} …)")
        raise FormatError(
            self.source.name,
            f"{len(tags)} columns hold tags: {' or '.join(lines)}. Say which one counts.",
            advice=advice,
        )
