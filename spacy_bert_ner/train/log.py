"""Evaluations of a training → lines of JSON, and back."""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

import srsly

LogRow = dict[str, Any]
Best = tuple[float, int]  # score and step

# Below it, a model at the beginning of its training may find no entity again.
_GOOD_SCORE = 0.25
_ADVICE = "Lower the learning rate, warm up for longer, or train without mixed precision."


def find_best(results: Iterable[tuple[float, int]]) -> Best | None:
    """Find the best evaluation; of equal ones the first.

    results (Iterable[Tuple[float, int]]): Score and step of each evaluation.
    RETURNS (Tuple[float, int] | None): Score and step; `None` if there is none.

    EXAMPLE:
    >>> find_best([(0.5, 10), (0.7, 20), (0.7, 30)])
    (0.7, 20)
    """
    best: Best | None = None
    for score, step in results:
        if best is None or score > best[0]:
            best = score, step
    return best


def check_losses(record: LogRow, best: Best | None) -> None:
    """Stop a training that has gone wrong, before its numbers are written.

    record (Dict[str, Any]): The evaluation.
    best (Tuple[float, int] | None): Score and step of the best evaluation before.
    RAISES (ValueError): If a loss is not finite.
    """
    losses = {**record["loss"], "dev": record.get("dev_loss", 0.0)}
    for name, loss in losses.items():
        if not isfinite(loss):
            raise ValueError(
                f"The loss of '{name}' at step {record['step']} is {loss}, expected a finite "
                f"number; {_describe_best(best)}. {_ADVICE}"
            )


def check_score(record: LogRow, best: Best | None) -> None:
    """Stop a training that has lost what it had learned.

    record (Dict[str, Any]): The evaluation.
    best (Tuple[float, int] | None): Score and step of the best evaluation before.
    RAISES (ValueError): If a good score has fallen to 0.
    """
    if best is not None and record["score"] == 0 and best[0] >= _GOOD_SCORE:
        raise ValueError(
            f"The score fell to 0 at step {record['step']}; {_describe_best(best)}. {_ADVICE}"
        )


def _describe_best(best: Best | None) -> str:
    if best is None or best[0] == 0:
        return "there was no good score before"
    return f"the best score was {best[0]:.4f} at step {best[1]}, kept in model-best"


def add_record(path: Path, record: LogRow) -> None:
    """Add a line of JSON to a log; the log of another training is kept beside it.

    path (Path): The file. If its last step is not before this one, it belongs to an
        earlier training and is renamed: log.jsonl becomes log.1.jsonl.
    record (Dict[str, Any]): The line.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        records = list(srsly.read_jsonl(path))
        if records and records[-1]["step"] >= record["step"]:
            n = 1
            while path.with_suffix(f".{n}{path.suffix}").exists():
                n += 1
            path.rename(path.with_suffix(f".{n}{path.suffix}"))
    with path.open("a", encoding="utf8") as stream:
        stream.write(srsly.json_dumps(record) + "\n")


def flatten(record: LogRow, prefix: str = "") -> dict[str, float]:
    """Give all numbers of a record, by their path.

    record (Dict[str, Any]): A record.
    prefix (str): What the names begin with.
    RETURNS (Dict[str, float]): The numbers.

    EXAMPLE:
    >>> flatten({"ents_f": 0.5, "loss": {"ner": 1.5}, "memory": None})
    {'ents_f': 0.5, 'loss/ner': 1.5}
    """
    numbers: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            numbers |= flatten(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            numbers[f"{prefix}{name}"] = value
    return numbers


def read_log(log: Path) -> list[LogRow]:
    """Read the log of a training.

    log (Path): The lines of JSON of spacy-bert-ner.Logger.v1.
    RETURNS (List[Dict[str, Any]]): A record for each evaluation.
    RAISES (ValueError): If there is none, or a line is something else.
    """
    if not log.is_file():
        raise ValueError(
            f"{log}: no such file, expected the log of a training (lines of JSON). Train with the "
            "logger spacy-bert-ner.Logger.v1, or give the path that its config names."
        )
    records = list(srsly.read_jsonl(log))
    if not records:
        raise ValueError(f"{log}: empty, expected a line for each evaluation. Train first.")
    for n, record in enumerate(records, start=1):
        found = record if isinstance(record, dict) else {}
        if "step" not in found or not isinstance(found.get("loss"), dict):
            raise ValueError(
                f"{log}, line {n}: expected an object with 'step' and 'loss', as "
                "spacy-bert-ner.Logger.v1 writes them. Give the log of that logger."
            )
    return records
