"""The command `verify`: flags over `spacy_bert_ner.manifest`."""

import typer
from wasabi import msg

from ..manifest import MANIFEST, find_folder, verify, write_manifest
from ..report.text import format_count
from ..targets import check_targets
from . import _options as options
from ._app import command


@command("verify")
def verify_cli(
    model: str = typer.Argument(..., help="A model folder, or an installed model package"),
    write: bool = typer.Option(False, "--write", help="Record the files as they are now"),
    force: options.Force = False,
) -> None:
    """Check that no file of a model is missing, cut or changed, and that versions fit."""
    if write:
        folder = find_folder(model)
        check_targets(files=[folder / MANIFEST], force=force)
        write_manifest(folder)
    n_files = verify(model)
    msg.good(f"{model}: {format_count(n_files, 'file')} as written, versions fit")
