"""The data files of a dataset → their hashes, compared with the published ones."""

import json
from pathlib import Path

from wasabi import msg

from spacy_bert_ner.cli._app import run_script
from spacy_bert_ner.convert.datasets import PINS, check_pin, find_inputs
from spacy_bert_ner.convert.settings import Conversion, parse_input
from spacy_bert_ner.files import replaced_files
from spacy_bert_ner.read.bytes.source import open_source
from spacy_bert_ner.targets import check_targets


def main(*, dataset: str = "kaggle", lang: str = "en", output: Path | None = None) -> None:
    """Check the files of a dataset by size and sha256, where these are published."""
    check_targets(files=[output] if output is not None else [], force=True)
    inputs, _ = find_inputs(dataset, None, Conversion(lang=lang))
    hashes = {item: verify(item, dataset) for item in inputs}
    if output is not None:
        with replaced_files(output.parent, force=True) as folder:
            (folder / output.name).write_text(json.dumps(hashes, indent=2) + "\n", "utf8")


def verify(item: str, dataset: str) -> str:
    """Check one file, and print whether there was a published hash to check it against.

    item (str): A file, or `part=FILE`, as `convert` takes it.
    dataset (str): The name of its dataset.
    RETURNS (str): The sha256 of its content.
    RAISES (ValueError): If it differs from the published file.
    """
    _, location = parse_input(item)
    source = open_source(location)
    check_pin(dataset, source)
    if (dataset, Path(source.member or source.path).name) in PINS:
        msg.good(f"{source.name}: the published file, byte for byte")
    else:
        msg.info(f"{source.name}: found; no published hash to check it against")
    return source.sha256


if __name__ == "__main__":
    run_script(main)
