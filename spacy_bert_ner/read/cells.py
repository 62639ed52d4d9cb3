"""What the row formats share: columns by header, well-formed tags, the cut last line."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from ..labels import is_tag
from .sentence import FormatError, Notes
from .source import Source

ALLOWED_TAGS = "O, or one of B- I- E- S- L- U- followed by a label, such as B-PER"

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("sentence #", "sentence#", "sentence_id", "sentence id", "sentence_idx", "sentence"),
    "word": ("word", "token"),
    "tag": ("tag", "ner_tag", "ner", "label"),
    "text": ("text", "sentence"),
    "tags": ("labels", "word_labels", "tag", "tags"),
}
"""What a column may be called, best name first; case and blanks around it do not count."""


def find_columns(header: list[str], wanted: Iterable[str]) -> list[int] | None:
    """Find the wanted columns by their header; None if one is missing.

    EXAMPLE:
        >>> find_columns(["Unnamed: 0", "Sentence #", "Word", "Tag"], ["id", "word", "tag"])
        [1, 2, 3]
    """
    names = [cell.strip().lower() for cell in header]
    columns = []
    for kind in wanted:
        known = [names.index(name) for name in COLUMN_NAMES[kind] if name in names]
        if not known:
            return None
        columns.append(known[0])
    return columns if len(set(columns)) == len(columns) else None


def read_cells(
    source: Source, lines: Iterable[str], wanted: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Read the wanted columns of CSV rows; the header tells where they stand.

    Commas, semicolons or tabs part the cells, whichever the header uses.

    source (Source): The file, for messages.
    lines (Iterable[str]): Its lines, with their line ends.
    wanted (tuple[str, ...]): Keys of `COLUMN_NAMES`, two or more.
    YIELDS (tuple[int, tuple[str, ...]]): Line and the wanted cells of each row.
    RAISES (FormatError): If a column is missing, a row is ragged or CSV is broken.
    """
    lines = iter(lines)
    header_line = next(lines, "")
    delimiter, pick, n_columns = _read_header(source, header_line, wanted)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if len(row) == n_columns:
                yield reader.line_num + 1, pick(row)
            elif row:
                raise FormatError(
                    source.name,
                    f"{len(row)} columns, expected {n_columns} as in the header. "
                    "Check the separator and the quoting; the file may be cut.",
                    line=reader.line_num + 1,
                )
    except csv.Error as err:
        raise FormatError(
            source.name,
            f"broken CSV ({err}), expected quotes that close and cells of at most "
            f"{csv.field_size_limit():,} characters. Mend the line; the file may be cut.",
            line=reader.line_num + 1,
        ) from err


def check_tag(source: Source, tag: str, line: int) -> None:
    """Refuse a tag that is not well formed.

    RAISES (FormatError): Names the line and the allowed forms.
    """
    if not is_tag(tag):
        found = f"tag '{tag}'" if tag else "no tag"
        raise FormatError(source.name, f"{found}, expected {ALLOWED_TAGS}.", line=line)


def check_word(source: Source, word: str, line: int, notes: Notes) -> None:
    """Refuse an empty word; count one that is only whitespace.

    RAISES (FormatError): If the word is empty.
    """
    if not word:
        raise FormatError(
            source.name, "the word is empty, expected one word. Fill the cell.", line=line
        )
    if word.isspace():
        notes.add("blank-word", "words of whitespace only, kept", f"{source.name}:{line} {word!r}")


def check_last_tag(source: Source, tag: str, line: int, first_lines: Mapping[str, int]) -> None:
    """Refuse a last line without line end whose tag may have been cut.

    Such a tag is trusted if its label stands elsewhere in the file, and if no other
    label begins like it.

    tag (str): The tag of the file's last row.
    line (int): Its line.
    first_lines (Mapping[str, int]): Each tag of the file, with the first line it stands on.
    RAISES (FormatError): If the tag cannot be trusted.
    """
    if source.ends_in_newline or tag == "O":
        return
    others = {seen[2:] for seen, first in first_lines.items() if first < line and seen != "O"}
    label = tag[2:]
    if label not in others or any(seen != label and seen.startswith(label) for seen in others):
        raise FormatError(
            source.name,
            f"the last line has no line end, and its tag '{tag}' may be cut: expected one whose "
            "label stands elsewhere. If it is right, end the line.",
            line=line,
        )


def _read_header(source: Source, header_line: str, wanted: tuple[str, ...]):
    for delimiter in (",", ";", "\t"):
        header = next(csv.reader([header_line], delimiter=delimiter), [])
        columns = find_columns(header, wanted)
        if columns is not None:
            return delimiter, itemgetter(*columns), len(header)
    names = ", ".join(f"'{COLUMN_NAMES[kind][0]}'" for kind in wanted)
    found = ", ".join(f"'{cell.strip()}'" for cell in header_line.split(","))
    raise FormatError(
        source.name,
        f"columns {found}, expected a header with {names} (in any order). "
        "Add or rename the columns.",
        line=1,
    )
