"""What `annotate` costs next to a plain loop, how it grows, and whether kills lose anything.

    python benchmarks/annotate.py --model training/model-best speed=10000 kills=50000

Without --model, a tiny pipeline without a transformer is trained first: then each figure
shows the overhead at its worst. Processor time is measured where it can be, because other
processes hardly change it.
"""

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from timing import RESULTS, Table, Timer, compare, describe_machine, find_median, write_results

import spacy_bert_ner
from spacy_bert_ner.annotate.annotate import annotate
from spacy_bert_ner.annotate.job import Job, Part
from spacy_bert_ner.annotate.part import PartRunner
from spacy_bert_ner.annotate.places import find_files
from spacy_bert_ner.annotate.records import Range
from spacy_bert_ner.manifest import write_manifest

_WORDS = "Alex Smith of Acme Corp. lives in New York now , and London is big ."
_CALL = """
import sys, time
from spacy_bert_ner.annotate.annotate import annotate
if __name__ == "__main__":
    model, data, output, engine, workers = sys.argv[1:]
    seen = []
    watch = lambda state: seen.append((time.perf_counter(), state.words))
    settings = {"engine": engine, "workers": int(workers), "part_records": 2_000}
    annotate(model, [data], output, watch=watch, **settings)
    (start, before), (end, words) = seen[0], seen[-1]
    print((words - before) / (end - start))
"""


def make_model(folder: Path) -> Path:
    """RETURNS (Path): A tiny trained pipeline: a CNN of two layers, 32 wide."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.pipelines import make_nlp, train

    nlp = make_nlp()
    train(nlp, n_steps=20)
    nlp.to_disk(folder)
    write_manifest(folder)
    return folder


def write_input(path: Path, n_records: int) -> Path:
    """RETURNS (Path): JSON lines with texts of 8 to 24 words, of which 1 in 10 is a number."""
    rng = random.Random(0)
    with path.open("w") as file:
        for number in range(n_records):
            words = rng.choices(_WORDS.split(), k=rng.randint(8, 24))
            words = [str(rng.randrange(10**6)) if rng.random() < 0.1 else word for word in words]
            file.write(json.dumps({"text": " ".join(words), "number": number}) + "\n")
    return path


def run_plain(nlp: spacy.Language, data: Path, output: Path) -> int:
    """Do by hand what `annotate` does: read, label, write.

    RETURNS (int): The number of words.
    """
    n_words = 0
    with data.open() as lines, output.open("w") as file:
        records = ((record["text"], record) for record in map(json.loads, lines))
        for doc, record in nlp.pipe(records, as_tuples=True):
            record["entities"] = [
                {
                    "start": ent.start_char,
                    "end": ent.end_char,
                    "text": ent.text,
                    "label": ent.label_,
                    "score": ent._.score,
                }
                for ent in doc.ents
            ]
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            n_words += len(doc)
    return n_words


def make_runner(model: Path, data: Path, output: Path) -> PartRunner:
    """RETURNS (PartRunner): What a worker holds."""
    return PartRunner(Job(str(model), tuple(find_files([data])), str(output)))


def measure_speed(table: Table, model: Path, folder: Path, n_records: int, rounds: int) -> None:
    """Compare a worker's work with the plain loop: processor time of one thread."""
    data = write_input(folder / "speed.jsonl", n_records)
    runner, plain = make_runner(model, data, folder / "speed"), spacy_bert_ner.load(model)
    part = Part(0, [Range(0, 0, n_records, 0)])
    n_words = run_plain(plain, data, folder / "plain.jsonl")
    seconds = Timer(1).interleave(
        {
            "annotate": lambda: lambda: runner.run(part),
            "plain": lambda: lambda: run_plain(plain, data, folder / "plain.jsonl"),
        },
        rounds=rounds,
    )
    speed = {name: n_words / find_median(values) for name, values in seconds.items()}
    table.add(
        f"{n_records:,} records, {n_words:,} words, words/s of processor time: one worker",
        f"{speed['annotate']:,.0f}",
        against=f"{compare(seconds, 'annotate', 'plain'):.3f}× {speed['plain']:,.0f} (plain loop)",
        target="≥ 0.97×",
    )


def measure_growth(table: Table, model: Path, folder: Path, most: int) -> None:
    """Fit the processor time of a worker to the number of records, in logarithms."""
    sizes = [10**k for k in range(3, round(math.log10(most)) + 1)]
    seconds = []
    for n_records in sizes:
        data = write_input(folder / f"growth-{n_records}.jsonl", n_records)
        runner = make_runner(model, data, folder / f"growth-{n_records}")
        runner.run(Part(0, [Range(0, 0, 1_000, 0)]))
        runs = []
        for _ in range(max(1, min(5, 20_000 // n_records))):
            start = time.process_time()
            runner.run(Part(0, [Range(0, 0, n_records, 0)]))
            runs.append(time.process_time() - start)
        seconds.append(find_median(runs))
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    times = ", ".join(f"{n:,}: {s:.2f} s" for n, s in zip(sizes, seconds, strict=True))
    table.add(f"slope of log time on log records ({times})", f"{slope:.3f}", target="1.00 ± 0.02")


def read_peaks() -> dict[str, float]:
    """RETURNS (Dict[str, float]): Peak memory so far in MiB, of this process and its workers."""
    files = Path("/proc/self/task").glob("*/children")
    numbers = ["self", *(number for file in files for number in file.read_text().split())]
    peaks = {}
    for number in numbers:
        with suppress(OSError, ValueError):
            status = Path(f"/proc/{number}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            is_worker = b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()
            if number == "self" or is_worker:
                peaks["job" if number == "self" else "worker"] = int(line.split()[1]) / 1024
    return peaks


def measure_memory(table: Table, model: Path, folder: Path, n_records: int) -> None:
    """Read the peak memory at 10, 50 and 100 % of a job with one worker."""
    data = write_input(folder / "memory.jsonl", n_records)
    marks: dict[float, dict[str, float]] = {}

    def watch(state: Any) -> None:
        for share in (0.1, 0.5, 0.99):
            if state.done_now >= share * n_records and share not in marks:
                marks[share] = read_peaks()

    annotate(model, [data], folder / "memory", workers=1, watch=watch)
    for name in ("job", "worker"):
        values = [peaks[name] for peaks in marks.values() if name in peaks]
        text = ", ".join(f"{value:.0f}" for value in values)
        table.add(
            f"{n_records:,} records, peak MiB of the {name} process at 10, 50, 99 %: {text}",
            f"{values[-1] / values[0]:.3f}×",
            target="≤ 1.05×",
        )


def measure_engines(table: Table, model: Path, folder: Path, n_records: int) -> None:
    """Compare engines by the wall clock, from the first to the last event: start-up is out."""
    data = write_input(folder / "engines.jsonl", n_records)
    speed = {}
    for engine, workers in (("local", 1), ("local", 2), ("ray", 1)):
        output = folder / f"{engine}-{workers}"
        call = [sys.executable, "-c", _CALL, str(model), str(data), str(output), engine]
        done = subprocess.run([*call, str(workers)], capture_output=True, text=True, check=False)
        if done.returncode:
            table.add(f"{engine}, {workers} workers", "failed", against=done.stderr[-300:])
            continue
        speed[engine, workers] = float(done.stdout.split()[-1])
        table.add(
            f"{n_records:,} records, words/s by the wall clock: {engine}, workers: {workers}",
            f"{speed[engine, workers]:,.0f}",
            against=f"{speed[engine, workers] / speed['local', 1]:.2f}× local, workers: 1",
            target="≥ 0.85×" if engine == "ray" else "-",
        )


def list_workers(pid: int) -> Iterator[int]:
    """YIELDS (int): The worker processes of a job."""
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            for number in file.read_text().split():
                if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes():
                    yield int(number)


def measure_kills(
    table: Table, model: Path, folder: Path, n_records: int, n_kills: int, minutes: float
) -> None:
    """Kill the job or a worker at random moments, resume, and compare with an unbroken run."""
    data = write_input(folder / "kills.jsonl", n_records)
    command = [sys.executable, "-m", "spacy", "bert-ner", "annotate", str(model), str(data)]
    command += ["--part-records", "500", "--workers", "2", "--output"]

    def start(output: Path) -> subprocess.Popen:
        return subprocess.Popen(
            [*command, str(output)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    first = time.perf_counter()
    whole = folder / "whole"
    start(whole).communicate()
    seconds = time.perf_counter() - first
    expected = read_records(whole)
    rng, kills, outputs = random.Random(0), {"job": 0, "worker": 0}, [folder / "killed-0"]
    process = start(outputs[-1])
    until = time.monotonic() + 60 * minutes
    while sum(kills.values()) < n_kills and time.monotonic() < until:
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, seconds / 4))
        if process.poll() == 0:  # done before the next kill: another folder
            outputs.append(folder / f"killed-{len(outputs)}")
            process = start(outputs[-1])
            continue
        kind = rng.choice(["job", "worker"])
        chosen = [process.pid] if kind == "job" else list(list_workers(process.pid))
        if not chosen:
            continue
        with suppress(ProcessLookupError):
            os.kill(rng.choice(chosen), signal.SIGKILL)
            kills[kind] += 1
        if kind == "job":
            process.communicate()
            process = start(outputs[-1])
    _, errors = process.communicate()
    is_equal = process.returncode == 0 and all(read_records(out) == expected for out in outputs)
    table.add(
        f"{n_records:,} records, {kills['job']} kills of the job and {kills['worker']} of workers "
        f"in {len(outputs)} outputs: all equal to an unbroken run's, record for record",
        str(is_equal),
        against=errors[-300:] if process.returncode else "-",
        target="True",
    )


def read_records(folder: Path) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): All records by id; a repeated one is an error."""
    records: dict[str, Any] = {}
    for path in (folder / "parts").iterdir():
        for line in path.read_text("utf8").splitlines():
            record = json.loads(line)
            if record["id"] in records:
                raise ValueError(f"{record['id']} is there twice.")
            records[record["id"]] = record
    return records


def save(table: Table, model: Path | None) -> None:
    """Write down the rows so far, with the machine and its load."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    facts = {**describe_machine(), "load": load, "model": model.name if model else "a tiny CNN"}
    print(write_results(RESULTS, "annotate", facts, table.rows))


def main() -> None:
    """Measure what was asked for, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", nargs="+", help="speed, growth, memory, engines or kills, each with =RECORDS"
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60, help="Kill for so long at most")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = args.model or make_model(folder / "tiny")
        for what, number in (item.split("=") for item in args.what):
            n_records = int(number)
            if what == "speed":
                measure_speed(table, model, folder, n_records, args.rounds)
            elif what == "growth":
                measure_growth(table, model, folder, n_records)
            elif what == "memory":
                measure_memory(table, model, folder, n_records)
            elif what == "engines":
                measure_engines(table, model, folder, n_records)
            else:
                measure_kills(table, model, folder, n_records, args.kills, args.minutes)
            save(table, args.model)


if __name__ == "__main__":
    main()
