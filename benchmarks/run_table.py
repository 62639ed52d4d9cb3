"""Figures of `run.py` → a table in docs/performance.md, between its two markers."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from wasabi import MarkdownRenderer

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
# Rows in which the larger figure is the better one.
MORE_IS_BETTER = ("F1", "words/s")
Figures = dict[str, dict[str, float]]


def summarise(values: Sequence[float]) -> dict[str, float]:
    """RETURNS (Dict[str, float]): Median, lowest, highest and number of values."""
    return {
        "median": round(median(values), 4),
        "low": round(min(values), 4),
        "high": round(max(values), 4),
        "n": len(values),
    }


def make_table(found: dict[str, Any]) -> str:
    """RETURNS (str): Markdown."""
    machine, rows = found["machine"], []
    for what, figures in found["rows"].items():
        for name, value in figures.items():
            low, middle, high = (_show(value[key]) for key in ("low", "median", "high"))
            ours, other = figures["ours"]["median"], value["median"]
            one, by = (ours, other) if what.startswith(MORE_IS_BETTER) else (other, ours)
            ratio = f"{one / by:.2f}" if by else ""
            spread = f"{low} – {high}" if value["n"] > 1 else ""
            rows.append([what, name, middle, spread, str(value["n"]), ratio])
    columns = ("what", "pipeline", "median", "from – to", "n", "ours is better, times")
    versions = ", ".join(f"{key} {value}" for key, value in machine["versions"].items())
    n_train, n_read = machine["sentences to train and read"]
    before, after = machine["load before and after"]
    environment = ", ".join(f"{k}={v}" for k, v in machine["environment"].items()) or "default"
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, "
        f"bfloat16 {'yes' if machine['avx512_bf16'] else 'no'}, load {before} before and {after} "
        f"after, threads: {environment}; {versions}. {n_train:,} Kaggle sentences to train on, "
        f"{n_read:,} to read.\n\n{MarkdownRenderer().table(rows, columns)}"
    )


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def put_table(page: Path, name: str, table: str) -> None:
    """Put a table between its two markers of a page."""
    begin, end = (f"<!-- benchmark {name}: {edge} -->" for edge in ("begin", "end"))
    text = page.read_text("utf8")
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{page}: expected the lines {begin} and {end} once.")
    before, rest = text.split(begin)
    page.write_text(f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}", "utf8")
