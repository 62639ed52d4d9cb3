"""A data report, or the results of an evaluation → a few lines on the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wasabi import msg

from ..convert.data_report import Report
from ..evaluate.counts import Scores
from ..report.text import format_count, format_p_value, format_percent, format_signed
from ._errors import show_note, show_warning


def show_report(report: Report, paths: Sequence[Path]) -> None:
    """Print inputs, parts and findings, and where the whole report is.

    report (Report): The report.
    paths (Sequence[Path]): The report's files.
    """
    for item in report["inputs"]:
        n_strays = item["stray_tags"]
        strays = f", {format_count(n_strays, 'stray tag')}" if n_strays else ""
        show_note(
            f"{item['name']}: {item['format']}, {item['encoding']}, {item['scheme']}{strays}: "
            f"{describe_counts(item)}"
        )
        if item.get("reading"):
            show_note(f"{item['name']}: {item['reading']}.")
    for name, part in report["parts"].items():
        labels = ", ".join(f"{label} {n:,}" for label, n in part["entities"].items())
        msg.good(
            f"{name}: {format_count(part['docs'], 'doc')}, {describe_counts(part)}"
            + (f" ({labels})" if labels else "")
        )
    for note in report["findings"]:
        places = "; ".join(note["places"])
        more = "; …" if note["count"] > len(note["places"]) else ""
        show_warning(f"{note['count']:,} × {note['text']}: {places}{more}")
    if paths:
        msg.good(f"Report: {', '.join(map(str, paths))}")


def describe_counts(found: Mapping[str, Any]) -> str:
    """Say how many sentences, tokens and entities an input or a part has.

    found (Mapping[str, Any]): Its entry in the report.
    RETURNS (str): The three counts.
    """
    return ", ".join(
        (
            format_count(found["sentences"], "sentence"),
            format_count(found["tokens"], "token"),
            format_count(sum(found["entities"].values()), "entity", "entities"),
        )
    )


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
        msg.divider(f"{data['path']}, {title}: {format_count(data['n_docs'], 'doc')}")
        msg.table(rows, header=("", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True)
    for view, row in (metrics["comparison"] or {}).items():
        msg.text(
            f"{view}: F1 is {format_signed(row['f_difference'])} points from that of "
            f"{metrics['compared_with']['model']['path']}, p {format_p_value(row['p_value'])}"
        )
    msg.good(f"Report: {output / 'report.html'}, report.md, metrics.json")
