"""Results → pictures, each as PNG and as SVG."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..convert.data_report import Report
from ..evaluate.counts import Scores
from ..figures import draw_figure, has_matplotlib
from ..train.curve import draw_learning_curve

MAX_NUMBERS = 25  # more labels than this, and the cells of a confusion matrix hold no numbers
NOTHING = "nothing"


PICTURES = ("labels", "confusion", "calibration", "thresholds", "learning_curve")
"""Names of the pictures of an evaluation's report."""


def draw_pictures(metrics: Scores, folder: Path, *, log: Path | None = None) -> dict[str, Path]:
    """Draw every picture of a report that has numbers for it.

    metrics (Dict[str, Any]): The results.
    folder (Path): Where they are written.
    log (Path | None): The log of the training run, for the learning curve.
    RETURNS (Dict[str, Path]): The SVG of each picture by its name; a PNG of the same name is
        next to it. Empty if matplotlib is not installed.
    """
    if not has_matplotlib():
        return {}
    words = metrics["words"]
    drawn: dict[str, Callable[..., None]] = {}
    if words["labels"]:
        drawn |= {"labels": draw_labels, "confusion": draw_confusion}
    if words["certainty"]:
        drawn |= {"calibration": draw_calibration, "thresholds": draw_thresholds}
    pictures: dict[str, Path] = {}
    for name, draw in drawn.items():
        paths = [folder / f"{name}{suffix}" for suffix in (".svg", ".png")]
        pictures[name] = draw_figure(partial(draw, view=words), *paths)[0]
    if log is not None:
        pictures["learning_curve"] = draw_learning_curve(log, folder)[1]
    return pictures


def draw_labels(figure: Any, view: Scores) -> None:
    """Draw the F-score of each label with its interval, most frequent label first."""
    rows = sorted(view["labels"].items(), key=_get_support)
    figure.set_size_inches(7, 1.2 + 0.28 * len(rows))
    axes = figure.subplots()
    scores = [100 * scores["f"] for _, scores in rows]
    axes.barh(range(len(rows)), scores, color="#8fb3d9", edgecolor="#1f4e79")
    intervals = view["intervals"].get("labels", {})
    bounds = [(y, *intervals[x]) for y, (x, _) in enumerate(rows) if intervals.get(x)]
    for y, low, high in bounds:
        axes.hlines(y, 100 * low, 100 * high, color="black", linewidth=1.5)
    names = [f"{shorten(label)}  ({scores['gold']:,})" for label, scores in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlabel="F1 (%), line: 95 % interval", xlim=(0, 100), ylim=(-0.6, len(rows) - 0.4))
    axes.set_ylabel("label (gold entities)")
    axes.grid(axis="x", alpha=0.3)


def draw_confusion(figure: Any, view: Scores) -> None:
    """Draw the found labels of each gold label, as shares of the gold label."""
    rows = view["errors"]["confusion"]
    labels = [*sorted({label for row in rows for label in row[:2] if label}), ""]
    counts = {(gold, found): n for gold, found, n in rows}
    names = [shorten(label) if label else NOTHING for label in labels]
    size = max(4.0, 1.5 + 0.45 * min(len(labels), MAX_NUMBERS))
    figure.set_size_inches(size + 1, size)
    axes = figure.subplots()
    totals = {gold: sum(counts.get((gold, found), 0) for found in labels) for gold in labels}
    shares = [
        [100 * counts.get((gold, found), 0) / max(totals[gold], 1) for found in labels]
        for gold in labels
    ]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(image, ax=axes, label="share of the row (%)")
    font = 10 if len(labels) <= MAX_NUMBERS else 5
    axes.set_xticks(range(len(labels)), names, rotation=90, fontsize=font)
    axes.set_yticks(range(len(labels)), names, fontsize=font)
    axes.set(xlabel="label found", ylabel="gold label")
    if len(labels) > MAX_NUMBERS:
        return
    for y, gold in enumerate(labels):
        for x, found in enumerate(labels):
            if (gold, found) in counts:
                color = "white" if shares[y][x] > 60 else "black"
                text = f"{counts[gold, found]:,}"
                axes.text(x, y, text, ha="center", va="center", fontsize=7, color=color)


def draw_calibration(figure: Any, view: Scores) -> None:
    """Draw the share of right entities by their probability."""
    bins = view["certainty"]["bins"]
    figure.set_size_inches(5.5, 4.5)
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], "--", color="gray", label="perfect")
    said, right = ([100 * row[key] for row in bins] for key in ("probability", "right"))
    axes.plot(
        said, right, "o-", color="#1f4e79", label=f"ECE {100 * view['certainty']['ece']:.2f} %"
    )
    for row, x, y in zip(bins, said, right, strict=True):
        axes.annotate(f"{row['n']:,}", (x, y), (4, -12), textcoords="offset points", fontsize=8)
    axes.set(xlabel="probability of the entities (%)", ylabel="share that is right (%)")
    axes.set(xlim=(0, 104), ylim=(0, 104))
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)


def draw_thresholds(figure: Any, view: Scores) -> None:
    """Draw precision, recall and F-score of the entities above each threshold."""
    rows = view["certainty"]["thresholds"]
    figure.set_size_inches(5.5, 4.5)
    axes = figure.subplots()
    for key, name, style in (("p", "precision", "o-"), ("r", "recall", "s--"), ("f", "F1", "^:")):
        kept = [row for row in rows if row["found"]]
        scores = [100 * row[key] for row in kept]
        axes.plot([row["threshold"] for row in kept], scores, style, markersize=4, label=name)
    axes.set(xlabel="threshold: lowest probability kept", ylabel="score (%)")
    axes.set(xlim=(0, 1.02), ylim=(0, 102))
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)


def shorten(label: str, n: int = 24) -> str:
    """Shorten a label to what fits next to an axis.

    EXAMPLE:
        >>> shorten("abcdef", 4), shorten("abcd", 4)
        ('abc…', 'abcd')
    """
    return label if len(label) <= n else f"{label[: n - 1]}…"


def _get_support(row: tuple[str, Scores]) -> tuple[int, str]:
    return row[1]["gold"], row[0]


def draw_data(figure: Any, report: Report) -> None:
    """Draw the label counts and the sentence lengths of each part of a data report."""
    parts = report["parts"]
    labels = sorted({label for part in parts.values() for label in part["entities"]})
    figure.set_size_inches(11 + 0.2 * max(0, len(labels) - 25), 4.2)
    ratios = [max(25, len(labels)), 25]
    by_label, by_length = figure.subplots(1, 2, width_ratios=ratios)
    width = 0.8 / len(parts)
    for i, (name, part) in enumerate(parts.items()):
        counts = [part["entities"].get(label, 0) for label in labels]
        places = [x + (i - (len(parts) - 1) / 2) * width for x in range(len(labels))]
        by_label.bar(places, counts, width, label=name)
        lengths = {int(n): count for n, count in part["lengths"].items()}
        by_length.hist(
            list(lengths),
            bins=range(0, max(lengths, default=1) + 6, 5),
            weights=list(lengths.values()),
            histtype="step",
            linewidth=1.5,
            label=name,
        )
    names = [shorten(label) for label in labels]
    by_label.set_xticks(range(len(labels)), names, rotation=90 if len("".join(names)) > 40 else 0)
    by_label.set_yscale("log")
    by_label.set_title("Entities per label (logarithmic)")
    by_length.set_yscale("log")
    by_length.set_title("Words per sentence (sentences, logarithmic)")
    for axes in (by_label, by_length):
        axes.legend()
        axes.grid(axis="y", alpha=0.3)
        axes.set_ylim(bottom=0.8)
        # Matplotlib's own numbers of a logarithmic axis are formulas.
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_minor_formatter("")
