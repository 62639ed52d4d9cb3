"""The evaluations of a training run ↔ lines of JSON."""

from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import srsly
from spacy.training.loop import DIR_MODEL_BEST

from ..files import replaced_files

LogRow = dict[str, Any]
Best = tuple[float, int]  # score and step

# Below this score, a model may find no entities in its next evaluation by chance.
_GOOD_SCORE = 0.25
# With fewer gold entities, an evaluation may find none by chance.
_MANY_ENTITIES = 30
_ADVICE = (
    "Lower the learning rate, warm up for longer or turn mixed precision off, then start again."
)


def find_best(results: Iterable[tuple[float, int]]) -> Best | None:
    """Find the best evaluation; the first one if several are equal.

    results (Iterable[Tuple[float, int]]): The score and step of each evaluation.
    RETURNS (Tuple[float, int] | None): Its score and step; `None` without evaluations.

    EXAMPLE:
    >>> find_best([(0.5, 10), (0.7, 20), (0.7, 30)])
    (0.7, 20)
    """
    best: Best | None = None
    for score, step in results:
        if best is None or score > best[0]:
            best = score, step
    return best


class DivergedError(ValueError):
    """A training run has diverged, so there is no use in continuing it."""


def check_losses(record: LogRow, best: Best | None) -> None:
    """Stop a training run whose loss is not finite, before it is logged.

    record (Dict[str, Any]): The evaluation.
    best (Tuple[float, int] | None): The score and step of the best earlier evaluation.
    RAISES (DivergedError): If a loss is not finite.
    """
    losses = {**record["loss"], "dev": record.get("dev_loss", 0.0)}
    for name, loss in losses.items():
        if not isfinite(loss):
            raise DivergedError(
                f"The loss of '{name}' at step {record['step']} is {loss}, expected a finite "
                f"number; {_describe_best(best)}. {_ADVICE}"
            )


def check_score(record: LogRow, best: Best | None, *, n_gold: int) -> None:
    """Stop a training run that has forgotten what it had learned.

    record (Dict[str, Any]): The evaluation.
    best (Tuple[float, int] | None): The score and step of the best earlier evaluation.
    n_gold (int): The number of gold dev entities. If there are few, a score of 0 may be
        chance, and the run continues.
    RAISES (DivergedError): If a good score has fallen to 0.
    """
    if best is None or best[0] < _GOOD_SCORE or n_gold < _MANY_ENTITIES:
        return
    if record["score"] == 0:
        raise DivergedError(
            f"The score fell to 0 at step {record['step']}; {_describe_best(best)}. {_ADVICE}"
        )


def describe_stop(
    error: BaseException, output: Path, step: int, *, best: Best | None, saved: int | None
) -> str:
    """Describe where a training run stopped and what is saved.

    error (BaseException): What stopped it.
    output (Path): The output folder.
    step (int): The last step; -1 before the first.
    best (Best | None): The score and step of the saved model-best.
    saved (int | None): The step of the saved checkpoint.
    RETURNS (str): The message.
    """
    place = "before the first step" if step < 0 else f"after step {step}"
    parts = [f"Stopped by {type(error).__name__} {place}"]
    if best is not None:
        score, best_step = best
        parts.append(
            f"The best score was {score:.4f} at step {best_step}, saved in "
            f"{output / DIR_MODEL_BEST}"
        )
    if saved is not None and not isinstance(error, DivergedError):
        parts.append(f"With `resume`, the run continues after step {saved}")
    if len(parts) == 1:
        parts.append(f"Nothing is saved in {output} yet")
    return ". ".join(parts)


def _describe_best(best: Best | None) -> str:
    if best is None or best[0] == 0:
        return "no earlier evaluation had a score above 0"
    return f"the best score was {best[0]:.4f} at step {best[1]} (kept in model-best)"


def add_record(path: Path, record: LogRow, *, earlier: Sequence[int]) -> None:
    """Append an evaluation to the log of a training run.

    A resumed run replaces the lines that were written after its checkpoint, and a line
    that a killed process left incomplete. The log of another run is renamed: log.jsonl
    becomes log.1.jsonl.

    path (Path): The file.
    record (Dict[str, Any]): The evaluation.
    earlier (Sequence[int]): The steps of the earlier evaluations of this run.
    """
    lines = _read_whole_lines(path) if path.exists() else []
    kept = lines[: len(earlier)]
    is_same_run = [_read_step(line) for line in kept] == list(earlier[: len(kept)])
    if lines and not (earlier and is_same_run):
        n = 1
        while path.with_suffix(f".{n}{path.suffix}").exists():
            n += 1
        path.rename(path.with_suffix(f".{n}{path.suffix}"))
        kept = []
    with replaced_files(path.parent, force=True) as folder:
        text = "".join([*kept, srsly.json_dumps(record) + "\n"])
        (folder / path.name).write_text(text, encoding="utf8")


def _read_whole_lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and line.strip()]


def _read_step(line: str) -> int | None:
    try:
        return int(srsly.json_loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None


def flatten(record: LogRow, prefix: str = "") -> dict[str, float]:
    """Collect all numbers of a record by their path.

    record (Dict[str, Any]): A record.
    prefix (str): The start of each path.
    RETURNS (Dict[str, float]): The numbers by path.

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
    """Read the log of a training run.

    log (Path): The log of spacy-bert-ner.Logger.v1 (JSON lines).
    RETURNS (List[Dict[str, Any]]): One record per evaluation.
    RAISES (ValueError): If there is no record, or a line is not one.
    """
    if not log.is_file():
        raise ValueError(
            f"{log}: no such file, expected the log of a training run (JSON lines). Train with the "
            "logger spacy-bert-ner.Logger.v1, or give the path that is set in its config."
        )
    try:
        lines = log.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{log}: not text in UTF-8, expected the log of a training run (JSON lines). Give a "
            "log of spacy-bert-ner.Logger.v1."
        ) from error
    numbered = [(n, line) for n, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise ValueError(f"{log}: empty, expected one line per evaluation. Train first.")
    return [_read_record(line, f"{log}, line {n}") for n, line in numbered]


def _read_record(line: str, place: str) -> LogRow:
    try:
        record = srsly.json_loads(line)
    except ValueError as error:
        raise ValueError(
            f"{place}: not JSON ({error}): the line was cut or changed. Resume the training run, "
            "which writes the line again, or delete it."
        ) from error
    found = record if isinstance(record, dict) else {}
    if "step" not in found or not isinstance(found.get("loss"), dict):
        raise ValueError(
            f"{place}: expected an object with 'step' and 'loss', as spacy-bert-ner.Logger.v1 "
            "writes it. Give a log of that logger."
        )
    return record
