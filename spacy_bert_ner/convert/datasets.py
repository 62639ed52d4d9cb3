"""The name of a dataset → its input files by part, and the settings that belong to it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..read.bytes.source import Source
from ..read.sentence import FormatError
from .settings import Conversion
from .split import PARTS

DATASETS = ("kaggle", "conll2002", "conll2003", "custom")
"""Names that `find_inputs` knows."""

DEFAULT_DATA: Mapping[str, str] = {
    "kaggle": "assets/kaggle/ner_dataset.csv.zip",
    "conll2002": "assets/conll2002/conll2002.zip",
    "conll2003": "assets/conll2003",
    "custom": "assets/custom",
}
"""Where the project keeps each dataset."""

DEFAULT_SPLIT = "80/10/10"

NOTES = ("README.md", "source.json")
"""Files of a dataset's folder that say what it is: its source entry in meta.json."""

_OBTAIN: Mapping[str, str] = {
    "kaggle": "It is part of the repository: `git checkout -- assets/kaggle`.",
    "conll2002": "Fetch it with `python -m spacy project assets`.",
    "conll2003": "It cannot be fetched, its text is licensed (Reuters, by NIST): put eng.train, "
    "eng.testa and eng.testb there, as they are or as .gz.",
    "custom": "Put your file there, or files named train…, dev… and test….",
}

_CONLL2002_PREFIXES = {"es": "esp", "nl": "ned"}

_PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testb"), "test"),
}


class Pin(NamedTuple):
    """What a published file is, unpacked."""

    size: int
    sha256: str


PINS: Mapping[tuple[str, str], Pin] = {
    ("kaggle", "ner_dataset.csv"): Pin(
        15_208_151, "83257dd94ed59596809dc9f5b28f1f035c9d925d5a647f266db43a2f098e8f1a"
    ),
    ("conll2002", "esp.train"): Pin(
        2_970_825, "a20d95cab7d88a19a86f8c1ad6329325c99fbd9529ed978cbd7e31d4b01b4008"
    ),
    ("conll2002", "esp.testa"): Pin(
        594_058, "85c17793b77881c53d19017d9d0f1e6fb98b7ddcab54a5f24b05ed1793103c87"
    ),
    ("conll2002", "esp.testb"): Pin(
        575_807, "1f8f7a392c6d4979a5592a5794eed43d7869b46da6851bbcde99714149f1d016"
    ),
}
"""Published files, by dataset and name."""


class DatasetInputs(NamedTuple):
    """What to convert, and how.

    inputs (list[str]): Files, given to parts where the dataset has parts.
    settings (Conversion): The settings, with what belongs to the dataset.
    """

    inputs: list[str]
    settings: Conversion


def find_inputs(dataset: str, data: str | None, settings: Conversion) -> DatasetInputs:
    """Find the files of a dataset, and fit the settings to it.

    Published parts stay what they are: no split, and repeated sentences stay on both
    sides, counted, so that scores compare with those of others.

    dataset (str): One of `DATASETS`.
    data (str | None): The file, or folder of files, if it is not where the project has it.
    settings (Conversion): The settings; its language chooses among CoNLL-2002's two.
    RETURNS (DatasetInputs): Inputs and settings for `convert`.
    RAISES (ValueError): If the name is unknown, or the dataset has not that language.
    RAISES (FileNotFoundError): If the file or folder is missing: says how to get it.
    """
    if dataset not in DATASETS:
        raise ValueError(f"Dataset '{dataset}', expected one of: {', '.join(DATASETS)}.")
    place = data or DEFAULT_DATA[dataset]
    path = Path(re.sub(r"(?<=\.zip):.*", "", place))
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: not found. {_OBTAIN[dataset]} If it is elsewhere, give its path as `data`."
        )
    if dataset == "conll2002":
        if settings.lang not in _CONLL2002_PREFIXES:
            raise ValueError(
                f"CoNLL-2002 with language '{settings.lang}', expected es (Spanish) or nl (Dutch)."
            )
        prefix = _CONLL2002_PREFIXES[settings.lang]
        endings = {"train": "train", "dev": "testa", "test": "testb"}
        inputs = [f"{part}={place}:{prefix}.{ending}" for part, ending in endings.items()]
        return DatasetInputs(inputs, replace(settings, split=None, allow_leaks=True))
    own = list_data(path) if path.is_dir() else []
    if len(own) == 1 and dataset == "custom":
        place = str(own[0])
    elif path.is_dir():
        allow_leaks = settings.allow_leaks or dataset == "conll2003"
        settings = replace(settings, split=None, allow_leaks=allow_leaks)
        return DatasetInputs(find_parts(path), settings)
    return DatasetInputs([place], replace(settings, split=settings.split or DEFAULT_SPLIT))


def list_data(folder: Path) -> list[Path]:
    """List the files of a folder that can be data: all but notes and hidden files.

    folder (Path): The folder.
    RETURNS (list[Path]): The files, sorted.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name not in NOTES and not path.name.startswith(".")
    )


def find_parts(folder: Path) -> list[str]:
    """Find the files of a folder that are train, dev or test by their name.

    folder (Path): The folder.
    RETURNS (list[str]): `train=FILE` and so on; several files of a part are fine.
    RAISES (FileNotFoundError): If there is no file for train or for dev.
    RAISES (ValueError): If the name of a file says no part, or more than one.
    """
    inputs = []
    for path in list_data(folder):
        names = {_PART_NAMES.get(word) for word in re.split(r"[^a-z]+", path.name.lower())}
        parts = names - {None}
        if len(parts) != 1:
            raise ValueError(
                f"{path}: {'no part' if not parts else 'two parts'} in the name, expected one of "
                "train, dev (valid, testa) and test (testb). Rename it, or move it elsewhere."
            )
        inputs.append(f"{parts.pop()}={path}")
    inputs.sort(key=_part_number)
    found = {item.partition("=")[0] for item in inputs}
    if not {"train", "dev"} <= found:
        raise FileNotFoundError(
            f"{folder}: files for {', '.join(sorted(found)) or 'no part'}, expected names with "
            "train and dev (or valid, testa), and test (or testb), such as eng.train.gz. "
            "Rename them, or give a single file to be split."
        )
    return inputs


def check_pin(dataset: str | None, source: Source) -> None:
    """Refuse a file of a published dataset that is not the published one.

    RAISES (FormatError): Gives sizes and hashes, found and expected.
    """
    pin = PINS.get((dataset or "", Path(source.member or source.path).name))
    if pin is not None and (source.size, source.sha256) != pin:
        raise FormatError(
            source.name,
            f"{source.size:,} bytes with sha256 {source.sha256}, expected {pin.size:,} bytes with "
            f"{pin.sha256}: cut, or another version. {_OBTAIN[dataset or 'custom']} "
            "To convert it as it is, set `dataset` to custom.",
        )


def _part_number(item: str) -> int:
    return PARTS.index(item.partition("=")[0])
