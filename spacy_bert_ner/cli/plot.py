"""The command `plot`: flags over `spacy_bert_ner.train.curve.draw_learning_curve`."""

from pathlib import Path

import typer
from wasabi import msg

from ..train.curve import draw_learning_curve
from ._app import command


@command("plot")
def plot_cli(
    log: Path = typer.Argument(..., help="log.jsonl of spacy-bert-ner.Logger.v1"),
    output: Path = typer.Argument(..., help="Folder for the pictures"),
) -> None:
    """Draw the learning curve of a training as PNG and SVG."""
    for path in draw_learning_curve(log, output):
        msg.good(f"{path}")
