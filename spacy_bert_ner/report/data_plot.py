"""A data report → its picture: entities per label, words per sentence."""

from importlib.util import find_spec
from pathlib import Path

from ..convert.data_report import Report


def draw_report(report: Report, path: Path) -> bool:
    """Draw label counts and sentence lengths of each part.

    report (Report): The report.
    path (Path): The picture, a `.png`.
    RETURNS (bool): Whether it was drawn; False if matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # needs no display
    from matplotlib.figure import Figure

    parts = report["parts"]
    labels = sorted({label for part in parts.values() for label in part["entities"]})
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    by_label, by_length = figure.subplots(1, 2)
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
    by_label.set_xticks(range(len(labels)), [_plain(label) for label in labels])
    by_label.tick_params(axis="x", rotation=45 if len(labels) > 8 else 0)
    by_label.set_yscale("log")
    by_label.set_title("Entities per label (logarithmic)")
    by_length.set_yscale("log")
    by_length.set_title("Words per sentence (sentences, logarithmic)")
    for axes in (by_label, by_length):
        axes.legend()
        axes.grid(axis="y", alpha=0.3)
        axes.set_ylim(bottom=0.8)
    figure.savefig(path, dpi=110)
    return True


def _plain(label: str) -> str:
    # matplotlib takes text between dollar signs for mathematics
    return label.replace("$", r"\$")
