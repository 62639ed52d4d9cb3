"""What the user says about an input file → checked settings that every reader gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """How to read an input file; the content decides what is not set.

    format (str | None): Force one of `read.data_file.FORMATS`.
    encoding (str | None): Force any text encoding that Python knows.
    word_column (int | None): Column of the word in a column file: 1 is the first, -1 the
        last.
    tag_column (int | None): Column of the tag, counted in the same way.
    columns (Mapping[str, str]): `id`, `word` or `tag` → header (or number) of its column.
    quoting (str): Whether quotes enclose cells: `csv`, `none`, or `auto`.
    label (str | None): The label of files whose tags are only B, I and O.
    bare_labels (bool): Read each tag but O as a label, even if it looks like `E-mail`.
    misc (str | None): Key of the tag in CoNLL-U's MISC column, such as `name`.
    split_at (str): Words that end a sentence, with blanks between them, for files that
        mark no sentences.
    skip_bad (bool): Leave out, and count, sentences that cannot be read.
    lang (str): Language whose tokenizer cuts texts with character offsets into tokens.
    annotator (str | None): Whose annotations count, where several people annotated a text.
    tag_names (Sequence[str]): The tags that the numbers of a data set mean, in their order.
    """

    format: str | None = None
    encoding: str | None = None
    word_column: int | None = None
    tag_column: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    quoting: str = "auto"
    label: str | None = None
    bare_labels: bool = False
    misc: str | None = None
    split_at: str = ""
    skip_bad: bool = False
    lang: str = "en"
    annotator: str | None = None
    tag_names: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the values.

        RAISES (ValueError): If a value is not one of those that it can be.
        """
        check_option("quoting", self.quoting, ("auto", "csv", "none"))
        for key in self.columns:
            check_option("columns", key, ("id", "word", "tag"))


def check_option(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of the choices.

    RAISES (ValueError): Names the setting and the choices.
    """
    if value not in choices:
        raise ValueError(f"Setting {name} is '{value}', expected one of: {', '.join(choices)}.")


def parse_columns(text: str | None) -> dict[str, str]:
    """Read `id=sentence,word=token,tag=label` as a dict.

    text (str | None): Pairs of `id`, `word` or `tag` and a column's header or number.
    RETURNS (dict[str, str]): The column of each.
    RAISES (ValueError): If a pair is not `key=column` or a key comes twice.
    """
    columns: dict[str, str] = {}
    for pair in (text or "").split(",") if text else []:
        key, equals, name = (part.strip() for part in pair.partition("="))
        if not (key in ("id", "word", "tag") and equals and name) or key in columns:
            raise ValueError(
                f"Columns: found '{pair}', expected pairs such as id=sentence_id,word=token,"
                "tag=label. Name the header or the number of a column on the right."
            )
        columns[key] = name
    return columns
