"""Runs of accuracy.jsonl → Markdown: recipes side by side, and a row for each setting."""

import json
import re
import statistics
from collections.abc import Collection, Mapping
from pathlib import Path

from wasabi import MarkdownRenderer

# What runs of one row of the table have in common.
KEY = ("corpus", "epochs", "recipe", "settings", "dtype", "rate")


def make_table(path: Path) -> str:
    """Make Markdown of all runs: recipes side by side, then each row of settings."""
    groups: dict[tuple, dict[int, dict]] = {}
    for line in path.read_text("utf8").splitlines():
        run = json.loads(line)
        key = tuple(run[name] for name in KEY)
        # A seed that was run again counts once, with its last score.
        groups.setdefault(key, {})[run["seed"]] = run
    rows = []
    for key in sorted(groups, key=str):
        corpus, epochs, recipe, settings, dtype, rate = key
        runs = groups[key].values()
        seconds = statistics.median(run["seconds"] for run in runs)
        cells = (corpus, epochs, recipe, settings, dtype, rate or "default")
        rows.append([*map(str, cells), str(len(runs)), summarize(runs), f"{seconds:.0f}"])
    header = ["corpus", "epochs", "recipe", "settings", "precision"]
    header += ["rate", "seeds", "F1", "seconds"]
    return (
        "# Accuracy\n\nEntity F1 on the corpus's words: mean ± standard deviation over seeds. "
        "`benchmarks/accuracy.py` makes this page from accuracy.jsonl, and says how the corpora "
        "are made.\n\nOurs is configs/config.cfg, in the precision named.\n\n"
        f"{make_comparison(groups)}\n\n"
        "All runs follow. The seconds are those of one run on a busy machine; they do not measure "
        f"speed.\n\n{MarkdownRenderer().table(rows, header)}\n"
    )


def make_comparison(groups: Mapping[tuple, Mapping[int, dict]]) -> str:
    """Make a table of the recipes, each with its default settings, side by side."""
    columns = [("stock", "float32"), ("hugging-face", "float32")]
    columns += [("ours", "float32"), ("ours", "bfloat16")]
    cells: dict[tuple, dict[tuple, str]] = {}
    for (corpus, epochs, recipe, settings, dtype, rate), runs in groups.items():
        # Peers have no settings but their batches; other settings of ours are ablations.
        is_default = recipe != "ours" or not re.search(r"(components|training)\.", settings)
        if rate is None and is_default:
            cell = f"{summarize(runs.values())} ({len(runs)})"
            cells.setdefault((corpus, epochs), {})[recipe, dtype] = cell
    rows = [
        [corpus, str(epochs), *(row.get(column, "–") for column in columns)]
        for (corpus, epochs), row in sorted(cells.items())
    ]
    names = [recipe if recipe != "ours" else f"ours, {dtype}" for recipe, dtype in columns]
    header = ["corpus", "epochs", *(f"{name} (seeds)" for name in names)]
    return MarkdownRenderer().table(rows, header)


def summarize(runs: Collection[dict]) -> str:
    """Give mean and, of several runs, standard deviation of their F1."""
    scores = [run["f1"] for run in runs]
    spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
    return f"{statistics.mean(scores):.2f}{spread}"
