"""The log of a training run → its learning curve as PNG and SVG."""

from functools import partial
from math import nan
from pathlib import Path
from typing import Any

from ..figures import draw_figure, require_matplotlib
from .log import LogRow, read_log

CURVE_NAME = "learning_curve"


def draw_learning_curve(log: Path, folder: Path) -> list[Path]:
    """Plot the train loss, dev loss and F1 of each evaluation of a training run.

    log (Path): The log of spacy-bert-ner.Logger.v1 (JSON lines).
    folder (Path): The folder for learning_curve.png and learning_curve.svg.
    RETURNS (List[Path]): The two files.
    RAISES (ValueError): If the log is empty or Matplotlib is not installed.
    """
    require_matplotlib()
    records = read_log(log)
    paths = [folder / f"{CURVE_NAME}{suffix}" for suffix in (".png", ".svg")]
    return draw_figure(partial(_draw_curve, records=records), *paths)


def _draw_curve(figure: Any, records: list[LogRow]) -> None:
    figure.set_size_inches(8, 4.5)
    left = figure.subplots()
    steps = [record["step"] for record in records]
    left.plot(steps, [sum(r["loss"].values()) for r in records], "o-", label="train loss")
    if any("dev_loss" in record for record in records):
        left.plot(steps, [r.get("dev_loss", nan) for r in records], "s-", label="dev loss")
    left.set(xlabel="step", ylabel="loss", ylim=(0, None))
    right = left.twinx()
    scores = [record.get("ents_f") for record in records]
    right.plot(steps, [_to_percent(f) for f in scores], "^--", color="tab:green", label="dev F1")
    right.set(ylabel="F1 (%)", ylim=(0, 100))
    handles = [*left.get_lines(), *right.get_lines()]
    left.legend(handles, [str(line.get_label()) for line in handles], loc="center right")


def _to_percent(score: float | None) -> float:
    return nan if score is None else 100 * score
