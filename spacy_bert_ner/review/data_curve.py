"""A corpus and a config → F1 by the size of the training data, and what more would bring."""

import json
import random
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Config

from ..corpus.docbin import read_docs
from ..evaluate.predict import predict_view
from ..figures import draw_figure, has_matplotlib
from ..files import replaced_files
from .folds import train_part
from .power_law import Forecast, PowerLaw
from .sentences import split_doc

CURVE_SHARES = (0.12, 0.25, 0.5, 1.0)
CURVE_FILES = ("curve.json", "data-curve.png", "data-curve.svg")
"""What `write_curve` writes; without matplotlib, only the first."""

FLAT = 0.005
"""The curve is flat if twice the data would bring less F1 than this."""

Point = tuple[int, int, float]
"""Sentences, seed, F1."""


def measure_curve(
    data: Path,
    dev: Path,
    config: Config,
    output: Path,
    *,
    shares: Sequence[float] = CURVE_SHARES,
    seeds: int = 2,
    use_gpu: int = -1,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> list[Point]:
    """Train on growing parts of a corpus; a smaller part is in each larger one.

    data (Path): The training docs (`.spacy`).
    dev (Path): The docs that F1 is measured on.
    config (Config): The config, not interpolated.
    output (Path): The folder of the models. Those that are done are not trained again.
    shares (Sequence[float]): Shares of the docs to train on.
    seeds (int): Number of draws, each with its own seed of the training run.
    use_gpu (int): The number of the GPU; -1 for the CPU.
    stdout (IO): The stream for messages and the log.
    stderr (IO): The stream for the progress bar.
    RETURNS (List[Tuple[int, int, float]]): Sentences, seed and F1 of each model.
    RAISES (ValueError): As `check_plan`, before anything is trained.
    """
    dev_docs = list(read_docs(dev, Vocab()))
    n_docs = sum(len(doc) > 0 for doc in read_docs(data, Vocab()))
    check_plan(dev, dev_docs, n_docs, shares=shares, seeds=seeds)
    points = []
    for seed in range(seeds):
        docs = [doc for doc in read_docs(data, Vocab()) if len(doc)]
        random.Random(seed).shuffle(docs)
        ours = config.copy()
        ours["training"]["seed"] = seed
        for share in sorted(shares):
            part = docs[: count_part(share, len(docs))]
            n = count_sentences(part)
            stdout.write(f"{n:,} sentences, seed {seed}\n")
            model = train_part(
                ours,
                {"train": part, "dev": dev_docs},
                output / f"seed-{seed}" / f"{len(part)}",
                use_gpu=use_gpu,
                stdout=stdout,
                stderr=stderr,
            )
            view = predict_view(spacy.load(model), dev, gold_words=True)
            points.append((n, seed, float(view.spacy["ents_f"] or 0.0)))
    return points


def count_part(share: float, n_docs: int) -> int:
    """Count the docs of a share, at least 1."""
    return max(1, round(share * n_docs))


def check_plan(
    dev: Path, dev_docs: Sequence[Doc], n_docs: int, *, shares: Sequence[float], seeds: int
) -> None:
    """Refuse what would end without a curve, before hours of training.

    RAISES (ValueError): If a share is not above 0 and at most 1, there are fewer than 3 sizes
        or no seeds, or the dev docs have no entities.
    """
    if not all(0 < share <= 1 for share in shares):
        raise ValueError(f"`shares = {list(shares)}`, expected numbers above 0, at most 1.")
    if seeds < 1:
        raise ValueError(f"`seeds = {seeds}`, expected 1 or more.")
    sizes = sorted({count_part(share, n_docs) for share in shares} if n_docs else ())
    if len(sizes) < 3:
        raise ValueError(
            f"`shares` of {n_docs:,} docs are {len(sizes)} sizes, {', '.join(map(str, sizes))}, "
            "expected at least 3 to fit a power law. Give more `shares`, or more data."
        )
    if not any(doc.ents for doc in dev_docs):
        raise ValueError(
            f"{dev}: no entities, expected some to measure F1 on. Give docs with gold labels."
        )


def count_sentences(docs: Sequence[Doc]) -> int:
    """Count the sentences of some docs; a doc without marks is one."""
    return sum(len(split_doc(doc)) for doc in docs)


def summarize_curve(points: Sequence[Point], *, more: int = 500) -> dict[str, Any]:
    """Fit a power law, and say what more sentences would bring.

    points (Sequence[Tuple[int, int, float]]): The result of `measure_curve`.
    more (int): How many more sentences.
    RETURNS (Dict[str, Any]): "points", "noise" (standard deviation around the law), "gain" (of
        that many more sentences), "forecasts" (F1 of one training run with 1.5, 2 and 4
        times the data), "is_flat", and "text", which says it in words.
    """
    law = PowerLaw([n for n, _, _ in points], [f for _, _, f in points])
    size = max(n for n, _, _ in points)
    gain, double = law.forecast_gain(size, more), law.forecast_gain(size, size)
    is_flat = double.value < FLAT
    text = f"{more:,} more sentences: {describe_gain(gain)}."
    if is_flat:
        text += (
            f" The curve is flat: twice as many would bring {describe_gain(double)}. Another kind "
            "of data is wanted: texts or labels that the model gets wrong, corrected labels "
            "(`find-label-errors`), or a larger encoder."
        )
    forecasts = {
        round(times * size): law.forecast(times * size, with_noise=True)._asdict()
        for times in (1.5, 2, 4)
    }
    return {
        "points": [{"sentences": n, "seed": seed, "f": f} for n, seed, f in points],
        "noise": law.noise,
        "more": more,
        "gain": gain._asdict(),
        "forecasts": forecasts,
        "is_flat": is_flat,
        "text": text,
    }


def describe_gain(gain: Forecast) -> str:
    """Write a difference of F1 with its interval, such as "+0.6 F1 (0.3–0.9)"."""
    value, low, high = (100 * x for x in gain)
    return f"{value:+.1f} F1 ({low:.1f}–{high:.1f})"


def write_curve(
    points: Sequence[Point], output: Path, *, more: int = 500, force: bool = False
) -> dict[str, Any]:
    """Write the summary of a curve and, where matplotlib is installed, its picture.

    points (Sequence[Tuple[int, int, float]]): The result of `measure_curve`.
    output (Path): The folder; other files in it stay.
    more (int): As in `summarize_curve`.
    force (bool): Whether files of the same name are replaced.
    RETURNS (Dict[str, Any]): The summary.
    """
    summary = summarize_curve(points, more=more)
    with replaced_files(output, force=force) as folder:
        text = json.dumps(summary, indent=2)
        (folder / CURVE_FILES[0]).write_text(text + "\n", encoding="utf8")
        if has_matplotlib():
            paths = [folder / name for name in CURVE_FILES[1:]]
            draw_figure(partial(_draw, points=points, title=summary["text"]), *paths)
    return summary


def _draw(figure: Any, points: Sequence[Point], title: str) -> None:
    figure.set_size_inches(7, 4.5)
    axes = figure.subplots()
    sizes, scores = [n for n, _, _ in points], [f for _, _, f in points]
    law = PowerLaw(sizes, scores)
    steps = np.geomspace(min(sizes), 4 * max(sizes), 60)
    bands = np.asarray([law.forecast(n, with_noise=True) for n in steps]) * 100
    axes.fill_between(steps, bands[:, 1], bands[:, 2], alpha=0.2, label="95 % interval of one run")
    axes.plot(steps, bands[:, 0], label="power law")
    axes.plot(sizes, [100 * f for f in scores], "ko", markersize=4, label="measured")
    axes.axvline(max(sizes), linestyle=":", color="gray")
    axes.set(xscale="log", xlabel="sentences (logarithmic)", ylabel="F1 on the dev set (%)")
    axes.set_title(title.partition(". ")[0], fontsize=10)
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
