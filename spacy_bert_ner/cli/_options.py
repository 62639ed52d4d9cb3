"""Flags that several commands share → the settings, configs and pipelines made of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.cli._util import import_code, parse_config_overrides, show_validation_error
from spacy.language import Language
from spacy.util import load_config
from thinc.api import Config, require_gpu

from ..convert.settings import Conversion
from ..files import recover_folder
from ..machine import check_gpu
from ..read.data_file import FORMATS
from ..read.settings import parse_columns
from ..read.writers import WRITTEN_FORMATS
from ..schemes import parse_label_map

Format = Annotated[
    str | None,
    typer.Option("--format", help=f"Default: the content tells. One of: {', '.join(FORMATS)}"),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Default: UTF-8, else what fits the language")
]
WordColumn = Annotated[
    int | None,
    typer.Option(
        "--word-column", help="Of a column file: 1 is the first, -1 the last; default: the content"
    ),
]
TagColumn = Annotated[
    int | None, typer.Option("--tag-column", help="Of a column file, counted in the same way")
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="Headers (or numbers) of columns: id=NAME,word=NAME,tag=NAME"),
]
Quoting = Annotated[
    str, typer.Option("--quoting", help="Whether quotes enclose cells: csv, none or auto")
]
Label = Annotated[
    str | None, typer.Option("--label", help="Label of files whose tags are only B, I and O")
]
BareLabels = Annotated[
    bool, typer.Option("--bare-labels", help="Each tag but O is a label, even E-mail or S-Bahn")
]
Misc = Annotated[
    str | None, typer.Option("--misc", help="Key of the tag in CoNLL-U's MISC, such as name")
]
SplitAt = Annotated[
    str, typer.Option("--split-at", help="Words that end a sentence where no line does: '. ! ?'")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out, and count, sentences that cannot be read")
]
Lang = Annotated[str, typer.Option("--lang", help="Language: its tokenizer and its spacing")]
Annotator = Annotated[
    str | None,
    typer.Option("--annotator", help="Whose annotations count, where several people annotated"),
]
TagNames = Annotated[
    str | None,
    typer.Option("--tag-names", help="What numbers as tags mean, in their order: O,B-PER,I-PER,…"),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="Format to write; by default the output's ending decides. One of: "
        f"{', '.join(WRITTEN_FORMATS)}",
    ),
]
Docs = Annotated[
    str,
    typer.Option(
        "--docs", help="What becomes a Doc: sentence, document, a number of sentences, or auto"
    ),
]
Spacing = Annotated[
    str, typer.Option("--spacing", help="natural, or words: a blank between any two words")
]
LabelMap = Annotated[
    str | None,
    typer.Option(
        "--label-map",
        help="geo=GPE,per=PERSON,… or 'ontonotes', for the Kaggle labels in OntoNotes' style",
    ),
]
AnnotatedLabels = Annotated[
    str | None,
    typer.Option(
        "--annotated",
        help="PER,LOC,…: only these were annotated (after --label-map); others are unknown, not O",
    ),
]
Split = Annotated[
    str | None, typer.Option("--split", help="Shares of train/dev/test, such as 80/10/10")
]
SplitBy = Annotated[
    str, typer.Option("--split-by", help="What stays on one side: sentence or document")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the split and of the samples")]
Stratify = Annotated[
    bool, typer.Option("--stratify", help="Share out rare labels first, so that each part has some")
]
AllowLeaks = Annotated[
    bool, typer.Option("--allow-leaks", help="Keep sentences that a later part also has")
]
Limit = Annotated[
    int, typer.Option("--limit", help="Docs to draw of train, or of an only part; 0 is all")
]
LimitDev = Annotated[int, typer.Option("--limit-dev", help="Docs to draw of dev; 0 is all")]
LimitTest = Annotated[int, typer.Option("--limit-test", help="Docs to draw of test; 0 is all")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace what exists at the output; inputs are never touched"),
]
Encoder = Annotated[
    Path | None,
    typer.Option("--encoder", help="Folder of an encoder: report words and sentences it misses"),
]

Code = Annotated[Path | None, typer.Option("--code", "-c", help="Python file to import before")]
GpuId = Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, or -1 for the CPU")]
WITH_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of click for commands that change a config: --training.max_epochs 2."""


def use_gpu(gpu_id: int) -> None:
    """Compute on a GPU, or on the CPU for -1."""
    check_gpu(gpu_id)
    if gpu_id >= 0:
        require_gpu(gpu_id)


@contextmanager
def opened_config(
    path: Path, overrides: Sequence[str], *, code: Path | None = None, gpu_id: int = -1
) -> Iterator[Config]:
    """Read the config of a training run; what is wrong in it is shown as `spacy train` does.

    path (Path): The config.
    overrides (Sequence[str]): Changes on the command line: "--training.max_epochs", "2".
    code (Path | None): Python file to import before.
    gpu_id (int): The number of the GPU; -1 for the CPU.
    YIELDS (Config): The config, not interpolated.
    RAISES (ValueError): If there is no such config.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist, expected a config. Set `config` to one.")
    changes = parse_config_overrides([*overrides])
    import_code(code)
    use_gpu(gpu_id)
    with show_validation_error(path):
        yield load_config(path, overrides=changes, interpolate=False)


def load_pipeline(model: Path) -> Language:
    """Load a pipeline; a folder whose replacement was killed is put in place first."""
    recover_folder(model)
    return spacy.load(model)


def choose_component(nlp: Language, name: str | None) -> str:
    """Give the name of the `bert_ner` that a command works on.

    nlp (Language): The pipeline.
    name (str | None): What the user asked for; `None` for the only one.
    RETURNS (str): The name.
    RAISES (ValueError): If there is no such component, or several and no name.
    """
    from ..pipe.bert_ner import BertNer
    from ..pipe.factory import find_component

    names = [found for found, pipe in nlp.pipeline if isinstance(pipe, BertNer)]
    if name is not None and name not in names:
        raise ValueError(
            f"'{name}' is no bert_ner of this pipeline, expected one of: "
            f"{', '.join(names) or 'none there'}. Set `name` to it."
        )
    return name or find_component(nlp)


def parse_shares(text: str) -> list[float]:
    """Read percents such as "12,25,50,100" as shares.

    RAISES (ValueError): If they are no numbers.

    EXAMPLE:
        >>> parse_shares("25, 100")
        [0.25, 1.0]
    """
    try:
        return [float(number) / 100 for number in text.split(",")]
    except ValueError:
        raise ValueError(f'`shares = "{text}"`, expected percents such as 12,25,50,100.') from None


def make_conversion(
    *,
    label_map: str | None,
    encoder: Path | None,
    tag_names: str | None = None,
    annotated: str | None = None,
    **values: Any,
) -> Conversion:
    """Make the settings of the flags.

    label_map (str | None): Pairs `old=new`, or the name of a ready map.
    encoder (Path | None): Folder of an encoder to check the data against.
    tag_names (str | None): Tags with commas between them.
    annotated (str | None): Labels with commas between them.
    **values (Any): The other fields of `Conversion`.
    RETURNS (Conversion): The settings.
    """
    values["label_map"] = parse_label_map(label_map)
    values["columns"] = parse_columns(values.get("columns"))
    for name, text in (("tag_names", tag_names), ("annotated", annotated)):
        if text:
            values[name] = tuple(part.strip() for part in text.split(","))
    if encoder is None:
        return Conversion(**values)
    from ..encode.piece_counter import read_piece_counter

    count_pieces, window = read_piece_counter(encoder)
    return Conversion(count_pieces=count_pieces, window=window, **values)
