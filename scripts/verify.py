"""Check the data files that a run starts from, before anything is built on them."""

import json
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bert_ner.fetch import FetchError, hash_file, verify_file


def main(
    files: list[Path], *, pins: Path = Path("assets/pins.json"), output: Path | None = None
) -> None:
    """Check files by size and sha256; files without an entry only need to exist."""
    known = json.loads(pins.read_text(encoding="utf8"))["files"]
    try:
        hashes = {path.as_posix(): verify(path, known.get(path.as_posix())) for path in files}
    except FetchError as error:
        msg.fail(str(error), exits=1)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf8")


def verify(path: Path, pin: dict[str, Any] | None) -> str:
    """Check one file, say how far the check went, and give its sha256."""
    if pin is not None:
        verify_file(path, **pin)
        msg.good(f"{path}: the published file, byte for byte")
        return str(pin["sha256"])
    if not path.is_file():
        raise FetchError(f"{path}: not found. Check the paths in project.yml.")
    msg.info(f"{path}: found; no published hash to check it against")
    return hash_file(path)


if __name__ == "__main__":
    typer.run(main)
