"""The command `plot`: flags over `spacy_bert_ner.train.curve.draw_learning_curve`."""

from pathlib import Path

import typer
from wasabi import msg

from ..files import replaced_files
from ..targets import check_targets
from ..train.curve import CURVE_NAME, draw_learning_curve
from . import _options as options
from ._app import command


@command("plot")
def plot_cli(
    log: Path = typer.Argument(..., help="log.jsonl of spacy-bert-ner.Logger.v1"),
    output: Path = typer.Argument(..., help="Folder for the pictures"),
    force: options.Force = False,
) -> None:
    """Draw the learning curve of a training run as PNG and SVG."""
    files = [output / f"{CURVE_NAME}{suffix}" for suffix in (".png", ".svg")]
    check_targets(files=files, inputs=[log], force=force)
    with replaced_files(output, force=force) as folder:
        draw_learning_curve(log, folder)
    for path in files:
        msg.good(f"{path}")
