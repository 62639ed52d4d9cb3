"""What a conversion found → `report.md` and `report.json`."""

from pathlib import Path

import srsly


def write_report(report: dict, folder: Path) -> None:
    """Write the report as JSON and Markdown beside the corpus."""
    srsly.write_json(folder / "report.json", report)
    lines = ["# Data report", ""]
    for name, part in report["parts"].items():
        lines.append(f"- {name}: {part['sentences']} sentences, {part['tokens']} tokens")
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf8")
