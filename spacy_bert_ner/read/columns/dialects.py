"""A column file → its header, and a survey under the dialect that splits its rows alike."""

from ..bytes.source import Source
from ..settings import ReadSettings
from .column_survey import ColumnSurvey
from .headers import Header
from .table import Dialect, Row, read_lines

_MOST_ROWS = 4  # rows that an error shows


def survey_headed(source: Source, settings: ReadSettings, header: Header) -> ColumnSurvey:
    """RETURNS (ColumnSurvey): What the rows below a header hold."""
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


def survey_plain(source: Source, settings: ReadSettings) -> ColumnSurvey:
    """RETURNS (ColumnSurvey): What rows without a header hold, under the dialect that fits most."""
    by_runs = ColumnSurvey(Dialect("")).survey(source)
    if not by_runs.has_tabs and by_runs.is_even and by_runs.width > 1:
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


def first_rows(source: Source, survey: ColumnSurvey) -> list[Row]:
    """RETURNS (list[Row]): The first rows that have the columns of most rows."""
    _, lines = next(read_lines(source))
    rows = survey.dialect.split([line for line in lines[:200] if not line.startswith("#")])
    return [row for row in rows if len(row) == survey.width][:_MOST_ROWS]
