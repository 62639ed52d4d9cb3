"""Tags of a file, in its spelling → the usual one; a tag that may be cut is found."""

from collections.abc import Sequence

from ..bytes.source import Source
from ..sentence import FormatError, Notes
from .tag_forms import MOST_TAGS, USUAL, TagForms, describe_fault


class TagReader:
    """Reads each distinct tag of a file once, and checks the last line for a cut tag.

    source (Source): The file, for messages.
    forms (TagForms): How its tags are spelled.
    lost (list[str]): Entities that the sentence read last has within others.
    """

    def __init__(self, source: Source, forms: TagForms = USUAL) -> None:
        """Start with no tag seen."""
        self.source = source
        self.forms = forms
        self.lost: list[str] = []
        self.first_lines: dict[str, int] = {}
        self._usual: dict[str, str] = {}

    def read(self, cells: Sequence[str], lines: Sequence[int]) -> list[str] | None:
        """Read the tags of a sentence.

        cells (Sequence[str]): The cells of its tags.
        lines (Sequence[int]): Their lines.
        RETURNS (list[str] | None): The tags; None if one is malformed.
        """
        usual = self._usual
        if self.forms.read_tags is not None:
            tags, self.lost = self.forms.read_tags([cell.strip(" ") for cell in cells])
            for tag, line in zip(tags, lines, strict=True):
                self.first_lines.setdefault(tag, line)
            return tags if all(tags) else None
        try:
            return [usual[cell] for cell in cells]
        except KeyError:
            pass
        for cell, line in zip(cells, lines, strict=True):
            if cell not in usual:
                tag = self.forms.read_tag(cell.strip(" "))
                if not tag:
                    return None
                self._add(cell, tag, line)
        return [usual[cell] for cell in cells]

    def check(self, cell: str, line: int) -> str:
        """Read one tag.

        RETURNS (str): The tag.
        RAISES (FormatError): If it is malformed: names the line and the allowed forms.
        """
        tags = self.read([cell], [line])
        if tags is None:
            raise FormatError(self.source.name, describe_fault(cell), line=line)
        return tags[0]

    def check_last(self, tag: str, line: int, notes: Notes) -> None:
        """Look at a last line without line end, whose tag may have been cut.

        A label that no earlier line has is noted. One that begins another label is not
        trusted.

        tag (str): The tag of the file's last word.
        line (int): Its line.
        notes (Notes): Takes the note.
        RAISES (FormatError): If the tag cannot be trusted.
        """
        if self.source.ends_in_newline or tag == "O":
            return
        label = tag[2:]
        others = {
            seen[2:] for seen, first in self.first_lines.items() if first < line and seen != "O"
        }
        if any(seen != label and seen.startswith(label) for seen in others):
            raise FormatError(
                self.source.name,
                f"the last line has no line end, and its tag '{tag}' may be cut: another label "
                "begins like it. If the tag is whole, end the line.",
                line=line,
            )
        if label not in others:
            notes.add(
                "unfinished-line",
                "last lines without line end, with a label that no earlier line has: may be cut",
                f"{self.source.name}:{line} {tag}",
            )

    def _add(self, cell: str, tag: str, line: int) -> None:
        if len(self._usual) > MOST_TAGS:
            raise FormatError(
                self.source.name,
                f"more than {MOST_TAGS:,} different tags, expected a few. Give tags such as B-PER "
                "instead of words or ids.",
                line=line,
            )
        self._usual[cell] = tag
        self.first_lines.setdefault(tag, line)
