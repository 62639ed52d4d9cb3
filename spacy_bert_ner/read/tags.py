"""Tags of a file → the well-formed ones; a bad or a cut tag is an error with its line."""

from ..schemes import is_tag
from .sentence import FormatError
from .source import Source

ALLOWED_TAGS = "O, or one of B- I- E- S- L- U- followed by a label, such as B-PER"


class TagChecker:
    """Checks each distinct tag of a file once, and the last line for a cut tag.

    source (Source): The file, for messages.
    """

    def __init__(self, source: Source) -> None:
        """Start with no tag seen."""
        self.source = source
        self.first_lines: dict[str, int] = {}

    def check(self, tag: str, line: int) -> str:
        """Refuse a tag that is not well formed.

        RETURNS (str): The tag; equal tags are one string.
        RAISES (FormatError): Names the line and the allowed forms.
        """
        if tag not in self.first_lines:
            if not is_tag(tag):
                found = f"tag '{tag}'" if tag else "no tag"
                raise FormatError(
                    self.source.name, f"{found}, expected {ALLOWED_TAGS}. Mend the tag.", line=line
                )
            self.first_lines[tag] = line
        return tag

    def check_last(self, tag: str, line: int) -> None:
        """Refuse a last line without line end whose tag may have been cut.

        Such a tag is trusted if its label stands on an earlier line, and if no other
        label begins like it.

        tag (str): The tag of the file's last word.
        line (int): Its line.
        RAISES (FormatError): If the tag cannot be trusted.
        """
        if self.source.ends_in_newline or tag == "O":
            return
        label = tag[2:]
        others = {
            seen[2:] for seen, first in self.first_lines.items() if first < line and seen != "O"
        }
        is_known = label in others
        if not is_known or any(seen != label and seen.startswith(label) for seen in others):
            raise FormatError(
                self.source.name,
                f"the last line has no line end, and its tag '{tag}' may be cut: expected a label "
                "of an earlier line. If the tag is whole, end the line.",
                line=line,
            )
