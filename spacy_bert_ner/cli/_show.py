"""A data report → its few lines on the screen."""

from collections.abc import Sequence
from pathlib import Path

from wasabi import msg

from ..data_report import Report


def show_report(report: Report, paths: Sequence[Path]) -> None:
    """Print inputs, parts and findings, and where the whole report is.

    report (Report): The report.
    paths (Sequence[Path]): The report's files.
    """
    for item in report["inputs"]:
        strays = f", {item['stray_tags']:,} stray tags" if item["stray_tags"] else ""
        msg.info(
            f"{item['name']}: {item['format']}, {item['encoding']}, {item['scheme']}{strays}: "
            f"{item['sentences']:,} sentences, {item['tokens']:,} tokens, "
            f"{sum(item['entities'].values()):,} entities"
        )
    for name, part in report["parts"].items():
        labels = ", ".join(f"{label} {n:,}" for label, n in part["entities"].items())
        msg.good(
            f"{name}: {part['docs']:,} docs, {part['sentences']:,} sentences, "
            f"{part['tokens']:,} tokens, {sum(part['entities'].values()):,} entities ({labels})"
        )
    for note in report["findings"]:
        places = "; ".join(note["places"])
        more = "; …" if note["count"] > len(note["places"]) else ""
        msg.warn(f"{note['count']:,} × {note['text']}: {places}{more}")
    if paths:
        msg.info(f"Report: {', '.join(map(str, paths))}")
