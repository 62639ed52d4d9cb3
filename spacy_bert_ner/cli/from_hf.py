"""The command `from-hf`: flags over `spacy_bert_ner.interop.from_hf`."""

from pathlib import Path

import typer
from wasabi import msg

from ..report.text import format_count
from ..targets import check_targets
from . import _options as options
from ._app import command


@command("from-hf")
def from_hf_cli(
    checkpoint: str = typer.Argument(..., help="A folder, or a name on the hub: NAME@REVISION"),
    output: Path = typer.Argument(..., help="Folder of the pipeline"),
    lang: str = typer.Option("en", "--lang", help="Language, for the tokenizer"),
    aggregation: str = typer.Option(
        "first",
        "--aggregation",
        help="Which score of a word's pieces counts: first, average or max",
    ),
    scheme: str = typer.Option(
        None, "--scheme", help="IOB2, IOB1, IO or BILOU (BIOES); by default recognised"
    ),
    force: options.Force = False,
) -> None:
    """Make a spaCy pipeline from a Hugging Face token-classification checkpoint.

    It predicts at once. OUTPUT.train.cfg is a config that trains it further.
    """
    from ..interop.from_hf import hf_to_pipeline

    config = output.with_name(f"{output.name}.train.cfg")
    inputs = [checkpoint, checkpoint.partition(":")[2] or checkpoint]
    check_targets(files=[config], folder=output, inputs=inputs, force=force)
    found = hf_to_pipeline(checkpoint, output, lang=lang, aggregation=aggregation, scheme=scheme)
    lock = found.lock
    msg.good(f"{output}: {lock['name']} ({lock['revision']}), licence {lock['license']}")
    n_labels = format_count(len(found.labels), "label")
    msg.text(f"{n_labels} ({', '.join(found.labels)}), tags read as {found.scheme}")
    msg.text(f"Train it further: python -m spacy train {found.config} --output OUTPUT")
