"""A data report, or the results of an evaluation → a few lines on the screen."""

from collections.abc import Sequence
from pathlib import Path

from wasabi import msg

from ..convert.data_report import Report
from ..evaluate.counts import Scores
from ..report.text import format_p_value, format_percent, format_signed
from ._errors import show_note, show_warning


def show_report(report: Report, paths: Sequence[Path]) -> None:
    """Print inputs, parts and findings, and where the whole report is.

    report (Report): The report.
    paths (Sequence[Path]): The report's files.
    """
    for item in report["inputs"]:
        strays = f", {item['stray_tags']:,} stray tags" if item["stray_tags"] else ""
        show_note(
            f"{item['name']}: {item['format']}, {item['encoding']}, {item['scheme']}{strays}: "
            f"{item['sentences']:,} sentences, {item['tokens']:,} tokens, "
            f"{sum(item['entities'].values()):,} entities"
        )
        if item.get("reading"):
            show_note(f"{item['name']}: {item['reading']}.")
    for name, part in report["parts"].items():
        labels = ", ".join(f"{label} {n:,}" for label, n in part["entities"].items())
        msg.good(
            f"{name}: {part['docs']:,} docs, {part['sentences']:,} sentences, "
            f"{part['tokens']:,} tokens, {sum(part['entities'].values()):,} entities ({labels})"
        )
    for note in report["findings"]:
        places = "; ".join(note["places"])
        more = "; …" if note["count"] > len(note["places"]) else ""
        show_warning(f"{note['count']:,} × {note['text']}: {places}{more}")
    if paths:
        msg.good(f"Report: {', '.join(map(str, paths))}")


def show_scores(metrics: Scores, output: Path) -> None:
    """Print the scores of all entities and of each label, and where the report is.

    metrics (Dict[str, Any]): What metrics.json holds.
    output (Path): The folder of the report.
    """
    data = metrics["data"]
    for view, title in (("words", "on the corpus's words"), ("text", "on raw text")):
        scores = metrics[view]
        named = {"all": scores["micro"], **scores["labels"]}
        rows = [(name, *(format_percent(row[key]) for key in "prf")) for name, row in named.items()]
        msg.divider(f"{data['path']}, {title}: {data['n_docs']:,} docs")
        msg.table(rows, header=("", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True)
    for view, row in (metrics["comparison"] or {}).items():
        msg.text(
            f"{view}: F1 is {format_signed(row['f_difference'])} points from that of "
            f"{metrics['compared_with']['model']['path']}, p {format_p_value(row['p_value'])}"
        )
    msg.good(f"Report: {output / 'report.html'}, report.md, metrics.json")
