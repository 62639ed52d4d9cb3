"""Runs of accuracy.jsonl → Markdown: recipes side by side, and a row for each setting."""

import json
import re
import statistics
from collections.abc import Collection, Mapping
from pathlib import Path

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
        rows.append(
            f"| {corpus} | {epochs} | {recipe} | {settings} | {dtype} | {rate or 'default'} "
            f"| {len(runs)} | {summarize(runs)} | {seconds:.0f} |\n"
        )
    return (
        "# Accuracy\n\nEntity F1 on the corpus's words, mean ± sd over seeds, made from "
        "accuracy.jsonl by `benchmarks/accuracy.py`, which says how the corpora are made.\n\n"
        "Ours is configs/config.cfg as it is, in the precision named.\n\n"
        f"{make_comparison(groups)}\n"
        "All runs. The seconds are of one run on whatever the machine had free: no measure of "
        "speed.\n\n"
        "| corpus | epochs | recipe | settings | precision | rate | seeds | F1 | seconds |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n" + "".join(rows)
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
        f"| {corpus} | {epochs} | {' | '.join(row.get(column, '–') for column in columns)} |\n"
        for (corpus, epochs), row in sorted(cells.items())
    ]
    names = [recipe if recipe != "ours" else f"ours, {dtype}" for recipe, dtype in columns]
    return (
        f"| corpus | epochs | {' | '.join(f'{name} (seeds)' for name in names)} |\n"
        f"| --- | --- | {' | '.join('---' for _ in names)} |\n{''.join(rows)}"
    )


def summarize(runs: Collection[dict]) -> str:
    """Give mean and, of several runs, standard deviation of their F1."""
    scores = [run["f1"] for run in runs]
    spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
    return f"{statistics.mean(scores):.2f}{spread}"
