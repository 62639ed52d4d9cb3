"""The command `convert`: flags over `spacy_bert_ner.convert.convert`."""

import typer

from ..convert import convert
from ..data_page import find_report_stem, write_report
from ..labels import parse_label_map
from ..conversion import Conversion
from ._app import bert_ner_cli, shown_errors
from ._show import show_report


@bert_ner_cli.command("convert")
def convert_cli(
    paths: list[str] = typer.Argument(
        ..., metavar="IN... OUT", help="Inputs (FILE, FILE.zip:MEMBER or train=FILE), then the output"
    ),
) -> None:
    """Convert"""
