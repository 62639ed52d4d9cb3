"""The typer app that spaCy's own command line takes in, and how it shows errors."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from spacy.cli import app
from wasabi import msg

bert_ner_cli = typer.Typer(
    name="bert-ner",
    help="BIO data in, a shippable BERT entity recogniser out.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(bert_ner_cli)


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show what is wrong with the input as one message, exit code 1, no traceback."""
    try:
        yield
    except (ValueError, OSError) as err:
        msg.fail(str(err))
        sys.exit(1)
