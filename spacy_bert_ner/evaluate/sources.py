"""A model and its data → other files about them that add sections to the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import srsly

from ..train.log import read_log
from .counts import Scores


class Sources(NamedTuple):
    """Files about a model that add sections to its report.

    train (Path | None): The training data, for the scores of seen and new entities.
    log (Path | None): The log of its training run, for the learning curve.
    data_report (Path | None): The conversion's report about the data.
    """

    train: Path | None = None
    log: Path | None = None
    data_report: Path | None = None


def find_log(model: Path) -> Path | None:
    """Find the training log next to a model.

    model (Path): The model's folder.
    RETURNS (Path | None): `log.jsonl`, if spacy-bert-ner.Logger.v1 has written it.
    """
    path = model.resolve().parent / "log.jsonl"
    return path if path.is_file() and _can_read(read_log, path) else None


def find_data_report(data: Path) -> Path | None:
    """Find the report of the conversion that wrote some data.

    data (Path): A `.spacy` file or a folder of them.
    RETURNS (Path | None): `report.json` in the same folder or `NAME.report.json`, if it
        is the report of `bert-ner convert` about this data.
    """
    data = data.resolve()
    folder = data if data.is_dir() else data.parent
    for path in (data.with_suffix(".report.json"), folder / "report.json"):
        if path.is_file() and _can_read(read_data_report, path):
            parts = read_data_report(path)["parts"].values()
            names = {Path(part["path"]).name for part in parts if part.get("path")}
            if names & {file.name for file in ([data] if data.is_file() else data.iterdir())}:
                return path
    return None


def _can_read(read: Callable[[Path], Any], path: Path) -> bool:
    # Another program may have written a file with this name, and the user did not choose it.
    try:
        read(path)
    except ValueError:
        return False
    return True


def read_data_report(path: Path) -> Scores:
    """Read a conversion's report about the data.

    path (Path): Its report.json.
    RETURNS (Dict[str, Any]): The report.
    RAISES (ValueError): If the file is not such a report.
    """
    report = srsly.read_json(path)
    keys = report.keys() if isinstance(report, dict) else set()
    if not {"parts", "findings"} <= keys or not isinstance(report["parts"], dict):
        raise ValueError(
            f"{path}: no 'parts' and 'findings', expected the report.json that `bert-ner convert` "
            "wrote next to the data. Set `data_report` to the right file."
        )
    return report
