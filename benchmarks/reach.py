"""Wall time until dev F1 reaches a mark, by default stock spaCy's best: stock and ours at once.

    python benchmarks/reach.py CORPUS ENCODER LOGS benchmarks/results/reach.json

Both run `spacy train` for three epochs, in batches of 32 sentences, with nine evaluations on
the whole dev set. Each has one core and one thread, and both run at the same time, so that
other work on the machine slows both. Time counts from the start of the process to the first
evaluation at or above the mark. If LOGS of an earlier run exist, they are read, and nothing is
trained.
"""

import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

import srsly
import typer
from accuracy import PEER_RATE
from spacy.tokens import DocBin

ROOT = Path(__file__).parent.parent
EPOCHS, BATCH, N_EVALS = 3, 32, 9
# Column of the F1 in the table that `spacy train` prints, behind the seconds.
F1_COLUMN = {"stock": 5, "ours": 7}


def main(
    corpus: Path, encoder: Path, logs: Path, output: Path, marks: list[float] | None = None
) -> None:
    """Train both unless there are logs, and write when each reached which F1."""
    if not logs.exists():
        logs.mkdir(parents=True)
        threads = [
            Thread(target=train, args=(name, core, corpus, encoder, logs / f"{name}.log"))
            for core, name in enumerate(F1_COLUMN)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    curves = {name: read_curve(logs / f"{name}.log", column) for name, column in F1_COLUMN.items()}
    reached = []
    for mark in marks or [max(f1 for _, f1 in curves["stock"])]:
        seconds = {name: find_time(curve, mark) for name, curve in curves.items()}
        share = seconds["ours"] / seconds["stock"] if all(seconds.values()) else None
        reached.append({"f1": mark, **seconds, "share": share and round(share, 3)})
        print(reached[-1])
    srsly.write_json(output, {"reached": reached, "curves": curves})


def train(name: str, core: int, corpus: Path, encoder: Path, log: Path) -> None:
    """Run `spacy train` on one core; each line of its output gets the seconds before it."""
    n_steps = EPOCHS * math.ceil(len(DocBin().from_disk(corpus / "train.spacy")) / BATCH)
    settings = {
        "paths.train": corpus / "train.spacy",
        "paths.dev": corpus / "dev.spacy",
        "paths.encoder": encoder,
        "training.max_epochs": EPOCHS,
    }
    if name == "stock":
        settings |= {
            "training.max_steps": 0,
            "training.eval_frequency": n_steps // N_EVALS,
            "training.batcher.size": BATCH,
            "training.optimizer.learn_rate.initial_rate": PEER_RATE,
            "training.optimizer.learn_rate.warmup_steps": n_steps // 10,
            "training.optimizer.learn_rate.total_steps": n_steps,
        }
    else:
        settings["initialize.after_init.eval_every"] = f"{EPOCHS / N_EVALS:.4f} epochs"
    config = ROOT / "configs" / ("stock.cfg" if name == "stock" else "config.cfg")
    command = [sys.executable, "-m", "spacy", "train", str(config)]
    for setting, value in settings.items():
        command += [f"--{setting}", str(value)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    # Of this thread alone; the process that it starts has it, too.
    os.sched_setaffinity(0, {core})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, log.open("w", encoding="utf8") as file:
        process = subprocess.Popen(
            [*command, "--output", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            text=True,
        )
        for line in process.stdout or ():
            file.write(f"{time.perf_counter() - start:8.1f} {line}")
            file.flush()


def read_curve(log: Path, column: int) -> list[tuple[float, float]]:
    """RETURNS (List[Tuple[float, float]]): Seconds and F1 of each evaluation, in percent."""
    rows = (re.split(r"\s+", line.strip()) for line in log.read_text("utf8").splitlines())
    return [
        (float(row[0]), float(row[column].rstrip("%")))
        for row in rows
        if len(row) > column and row[1].isdigit() and row[2].isdigit()
    ]


def find_time(curve: list[tuple[float, float]], mark: float) -> float | None:
    """RETURNS (float | None): Seconds to the first evaluation at or above the mark."""
    return next((seconds for seconds, f1 in curve if f1 >= mark), None)


if __name__ == "__main__":
    typer.run(main)
