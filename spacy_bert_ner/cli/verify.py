"""The command `verify`: flags over `spacy_bert_ner.manifest`."""

import typer
from wasabi import msg

from ..manifest import find_folder, verify, write_manifest
from ._app import command


@command("verify")
def verify_cli(
    model: str = typer.Argument(..., help="A model folder, or an installed model package"),
    write: bool = typer.Option(False, "--write", help="Record the files as they are now"),
) -> None:
    """Check that no file of a model is missing, cut or changed, and that versions fit."""
    if write:
        write_manifest(find_folder(model))
    n_files = verify(model)
    msg.good(f"{model}: {n_files} files as they were written, versions fit")
