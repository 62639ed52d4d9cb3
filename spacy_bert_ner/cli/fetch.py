"""The command `fetch`: flags over `spacy_bert_ner.fetch.fetch.fetch_encoder`."""

from pathlib import Path

import typer
from wasabi import msg

from ..fetch.hub import NETWORK_TIMEOUT
from . import _options as options
from ._app import command
from ._errors import show_warning


@command("fetch")
def fetch_cli(
    source: str = typer.Argument(
        ..., help="pip:DIST==VERSION/FOLDER, hub:NAME@REVISION or dir:PATH"
    ),
    output: Path = typer.Argument(..., help="Folder of the encoder"),
    pins: Path = typer.Option(None, "--pins", help="JSON file with known sources and hashes"),
    timeout: float = typer.Option(
        NETWORK_TIMEOUT, "--timeout", min=0.1, help="Seconds to wait for an answer of the hub"
    ),
    force: options.Force = False,
) -> None:
    """Fetch an encoder into a local folder: checked, recorded, data only."""
    from ..fetch.fetch import fetch_encoder, read_pins

    known = read_pins(pins) if pins is not None else {}
    lock = fetch_encoder(source, output, pins=known, timeout=timeout, force=force)
    checked = "as published" if lock["pinned"] else "hashes recorded, none to compare with"
    pin = f"hub:{lock['name']}@{lock['revision']}"
    if source.startswith("hub:") and source != pin:
        show_warning(f"{source} can change. To keep what you have now, fetch {pin}.")
    msg.good(f"{output}: {lock['name']} ({lock['revision']}), licence {lock['license']}, {checked}")
