"""The typer app in spaCy's command line: a function → a command that shows its errors."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import typer
from spacy.cli import app

from ._errors import shown_errors

bert_ner_cli = typer.Typer(
    name="bert-ner",
    help="Turn BIO data into a BERT entity recogniser that you can ship.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(bert_ner_cli)

Function = TypeVar("Function", bound=Callable[..., None])


def command(name: str, **options: Any) -> Callable[[Function], Function]:
    """Register a function as a command of `python -m spacy bert-ner`.

    name (str): The command's name.
    **options (Any): As `typer.Typer.command` takes them.
    RETURNS (Callable): The decorator, which returns the function unchanged.
    """

    def register(function: Function) -> Function:
        bert_ner_cli.command(name, **options)(with_shown_errors(function))
        return function

    return register


def run_script(function: Callable[..., None]) -> None:
    """Run a function as a script that shows its errors as a command does.

    function (Callable): Its parameters are the script's arguments and flags.
    """
    typer.run(with_shown_errors(function))


def with_shown_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a function so that its errors name its own flags.

    function (Callable): The function of a command.
    RETURNS (Callable): The function with the same signature.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        with shown_errors(function):
            function(*args, **kwargs)

    return run
