"""The settings of a conversion, checked: one form for command line, scripts and Python."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..read.data_file import FORMATS, DataFile, open_data
from ..read.settings import ReadSettings, check_option
from ..read.writers import WRITTEN_FORMATS
from .split import PARTS, parse_split

CountPieces = Callable[[Sequence[str]], list[int]]
"""Gives the number of wordpieces of each word."""


@dataclass(frozen=True, kw_only=True)
class Conversion(ReadSettings):
    """How to convert: the settings of reading, and these.

    docs (str): What becomes a Doc: `sentence`, `document`, a number of sentences, or
        `auto`: a text in files of texts, a sentence in others.
    spacing (str): `natural`, or `words`: a blank between any two words.
    label_map (Mapping[str, str]): Label in the file → label to write.
    annotated (Sequence[str]): The only labels that were annotated, after `label_map`; others
        count as unknown, not as absent. By default, all labels were annotated.
    to (str | None): The format to write, one of `WRITTEN_FORMATS` of `read.writers`; by
        default the output's ending decides.
    split (str | None): Shares of the parts, such as `80/10/10`.
    split_by (str): What stays on one side: `sentence` or `document`.
    seed (int): Seed of the split and of the samples.
    stratify (bool): Share out rare labels first.
    allow_leaks (bool): Keep sentences that a later part has too.
    limit (int): Docs to draw of `train`, or of the only part; 0 is all.
    limit_dev (int): Docs to draw of `dev`.
    limit_test (int): Docs to draw of `test`.
    count_pieces (CountPieces | None): An encoder's tokenizer, for the report.
    window (int): Most pieces of a sentence that this encoder sees at once.
    RAISES (ValueError): If a value is not one of those that it can be.
    """

    docs: str = "auto"
    spacing: str = "natural"
    label_map: Mapping[str, str] = field(default_factory=dict)
    annotated: Sequence[str] = ()
    to: str | None = None
    split: str | None = None
    split_by: str = "sentence"
    seed: int = 0
    stratify: bool = False
    allow_leaks: bool = False
    limit: int = 0
    limit_dev: int = 0
    limit_test: int = 0
    count_pieces: CountPieces | None = None
    window: int = 510

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_option("format", self.format or FORMATS[0], FORMATS)
        check_option("to", self.to or "spacy", tuple(WRITTEN_FORMATS))
        check_option("spacing", self.spacing, ("natural", "words"))
        check_option("split_by", self.split_by, ("sentence", "document"))
        if not (self.docs.isdecimal() and int(self.docs) > 0):
            check_option("docs", self.docs, ("auto", "sentence", "document", "a number from 1"))
        if min(self.limit, self.limit_dev, self.limit_test) < 0:
            raise ValueError("A limit below 0, expected a number of docs, or 0 for all.")
        if self.split:
            parse_split(self.split)

    @property
    def shares(self) -> tuple[float, ...] | None:
        """RETURNS (tuple[float, ...] | None): Share of each part, if it is to be drawn."""
        return parse_split(self.split) if self.split else None

    def find_limits(self, parts: Sequence[str]) -> list[int]:
        """RETURNS (list[int]): Docs to draw of the parts of these names; 0 is all."""
        if len(parts) == 1:
            return [self.limit]
        limits = {"dev": self.limit_dev, "test": self.limit_test}
        return [limits.get(part, self.limit) for part in parts]

    def open(self, location: str) -> DataFile:
        """RETURNS (DataFile): An input file, opened with these settings."""
        return open_data(location, settings=self)


def parse_input(text: str) -> tuple[str | None, str]:
    """Read `train=FILE` as a part and a file; a plain FILE has no part.

    EXAMPLE:
        >>> parse_input("dev=conll2002.zip:esp.testa"), parse_input("a=b.csv")
        (('dev', 'conll2002.zip:esp.testa'), (None, 'a=b.csv'))
    """
    part, equals, location = text.partition("=")
    return (part, location) if equals and part in PARTS else (None, text)
