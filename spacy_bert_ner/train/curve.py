"""The log of a training → its learning curve, as PNG and SVG."""

from importlib.util import find_spec
from math import nan
from pathlib import Path

from .log import read_log

NAME = "learning_curve"


def draw_learning_curve(log: Path, folder: Path) -> list[Path]:
    """Draw train and dev loss, and F1, over the steps of a training.

    log (Path): The lines of JSON of spacy-bert-ner.Logger.v1.
    folder (Path): Where learning_curve.png and learning_curve.svg are written.
    RETURNS (List[Path]): The two files.
    RAISES (ValueError): If the log is empty or matplotlib is missing.
    """
    require_matplotlib()
    records = read_log(log)
    # No display is asked for: the figure is drawn to files.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
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
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{NAME}{suffix}" for suffix in (".png", ".svg")]
    for path in paths:
        # Without a date, the same log gives the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)
    return paths


def _to_percent(score: float | None) -> float:
    return nan if score is None else 100 * score


def require_matplotlib() -> None:
    """Check that pictures can be drawn.

    RAISES (ValueError): If matplotlib is missing, with the command that helps.
    """
    if find_spec("matplotlib") is None:
        raise ValueError(
            "Matplotlib is not installed, and pictures are drawn with it. Install it with "
            "`pip install 'spacy-bert-ner[plots]'`, or set `plot = false`."
        )
