"""Check the data files that a run starts from, before anything is built on them."""

import json
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bert_ner.fetch import FetchError, verify_file


def main(files: list[Path], pins: Path = Path("assets/pins.json")) -> None:
    """Check files by size and sha256; files without an entry only need to exist."""
    known = json.loads(pins.read_text(encoding="utf8"))["files"]
    try:
        for path in files:
            verify(path, known.get(path.as_posix()))
    except FetchError as error:
        msg.fail(str(error), exits=1)


def verify(path: Path, pin: dict[str, Any] | None) -> None:
    """Check one file and say how far the check went."""
    if pin is not None:
        verify_file(path, **pin)
        msg.good(f"{path}: the published file, byte for byte")
    elif path.is_file():
        msg.info(f"{path}: found; no published hash to check it against")
    else:
        raise FetchError(f"{path}: not found. Check the paths in project.yml, or run `assets`.")


if __name__ == "__main__":
    typer.run(main)
