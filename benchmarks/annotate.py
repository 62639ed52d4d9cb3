"""What `annotate` costs next to a plain loop, how it grows, and whether kills lose anything.

    python benchmarks/annotate.py speed=2000 --model training/model-best
    python benchmarks/annotate.py growth=1000000 memory=1000000 kills=50000 engines=50000

Each name is a question, each number its records. Without --model, a tiny pipeline without a
transformer is trained first: then each figure shows the overhead at its worst. Rows of other
questions in results/ are kept. Ray and Spark are measured where they are installed.
"""

import argparse
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from timing import (
    RESULTS,
    Table,
    compare,
    describe_machine,
    find_median,
    find_name,
    write_results,
)

import spacy_bert_ner
from spacy_bert_ner.annotate.job import Job, Part
from spacy_bert_ner.annotate.part import PartRunner
from spacy_bert_ner.annotate.places import find_files
from spacy_bert_ner.annotate.plan import plan_job
from spacy_bert_ner.annotate.records import Range
from spacy_bert_ner.manifest import write_manifest

_WORDS = "Alex Smith of Acme Corp. lives in New York now , and London is big ."
_WORKERS = {
    "local": r"spawn_main",
    "ray": r"^ray::.*(_Actor|MapBatches|MapWorker)",
    "spark": r"pyspark\.daemon",
}
"""What the command line of an engine's worker contains."""


def make_model(folder: Path) -> Path:
    """RETURNS (Path): A tiny trained pipeline: a CNN of two layers, 32 wide."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.pipelines import make_nlp, train

    nlp = make_nlp()
    train(nlp, n_steps=20)
    nlp.to_disk(folder)
    write_manifest(folder)
    return folder


def write_input(path: Path, n_records: int, *, seed: int = 0, most: int = 24) -> Path:
    """RETURNS (Path): JSON lines with texts of `most / 3` to `most` words; 1 in 10 is a number."""
    rng = random.Random(seed)
    with path.open("w") as file:
        for number in range(n_records):
            words = rng.choices(_WORDS.split(), k=rng.randint(most // 3, most))
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
    """Compare a worker's work with the plain loop, on texts that both see for the first time."""
    data = write_input(folder / "speed.jsonl", n_records)
    runner, plain = make_runner(model, data, folder / "speed"), spacy_bert_ner.load(model)
    part, n_words = Part(0, [Range(0, 0, n_records, 0)]), 0
    runs = {
        "annotate": lambda: runner.run(part).n_words,
        "plain": lambda: run_plain(plain, data, folder / "plain.jsonl"),
    }
    clocks = {"processor time": time.process_time, "wall time": time.perf_counter}
    seconds: dict[str, dict[str, list[float]]] = {
        clock: {name: [] for name in runs} for clock in clocks
    }
    torch.set_num_threads(1)
    for number in range(-1, rounds):  # the first round does not count
        write_input(data, n_records, seed=number)
        for name, run in list(runs.items())[:: 1 if number % 2 else -1]:  # each is first in turn
            start = {clock: now() for clock, now in clocks.items()}
            n_words = run()
            for clock, now in clocks.items():
                seconds[clock][name] += [now() - start[clock]] * (number >= 0)
    for clock, values in seconds.items():
        speed = {name: n_words / find_median(values[name]) for name in runs}
        ratio = compare(values, "annotate", "plain")
        table.add(
            f"{n_records:,} records, {n_words:,} words, words/s of {clock}: one worker",
            f"{speed['annotate']:,.0f}",
            against=f"{ratio:.3f}× {speed['plain']:,.0f} (plain loop)",
            target="≥ 0.97×",
        )


def measure_growth(table: Table, model: Path, folder: Path, most: int) -> None:
    """Fit the processor time of a whole job to its records, in logarithms.

    The planning pass and all parts count; loading the pipeline and the first 1,000 records,
    of another text, are start-up. Each size has a pipeline of its own.
    """
    sizes = [10**k for k in range(3, round(math.log10(most)) + 1)]
    seconds = []
    for n_records in sizes:
        data = write_input(folder / "growth.jsonl", n_records, most=6)
        first = write_input(folder / "first.jsonl", 1_000, seed=1, most=6)
        runs = []
        for _ in range(max(1, min(5, 20_000 // n_records))):
            runner = make_runner(model, first, folder / "growth")
            runner.run(Part(0, [Range(0, 0, 1_000, 0)]))
            start = time.process_time()
            job, plan = plan_job(runner.job, find_files([data]), None, part_records=10_000)
            runner.reader.inputs = job.inputs
            for part in plan.parts:
                runner.run(part)
            runs.append(time.process_time() - start)
        seconds.append(find_median(runs))
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    times = ", ".join(f"{n:,}: {s:.2f} s" for n, s in zip(sizes, seconds, strict=True))
    table.add(f"slope of log time on log records ({times})", f"{slope:.3f}", target="1.00 ± 0.02")


def start_job(model: Path, data: Path, output: Path, *flags: object) -> subprocess.Popen:
    """RETURNS (Popen): The command, started."""
    command = [sys.executable, "-m", "spacy", "bert-ner", "annotate", model, data, "-o", output]
    return subprocess.Popen(
        [str(item) for item in (*command, *flags)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYSPARK_PYTHON": sys.executable,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",  # 15 is for machines that do nothing else
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
    )


def finish(process: subprocess.Popen) -> None:
    """Wait for a command that must succeed."""
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors[-2_000:])


def read_family(parent: int) -> Iterator[tuple[int, str, float]]:
    """YIELDS (Tuple[int, str, float]): Number, command line, CPU seconds of a job's processes."""
    stats: dict[int, list[str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stat = (folder / "stat").read_text()
            stats[int(folder.name)] = stat.rpartition(")")[2].split()
    found = [parent]
    for number in found:
        found += [child for child, fields in stats.items() if int(fields[1]) == number]
        with suppress(OSError, KeyError):
            line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            seconds = sum(map(int, stats[number][11:13])) / os.sysconf("SC_CLK_TCK")
            yield number, line, seconds


def list_workers(parent: int, engine: str) -> list[int]:
    """RETURNS (List[int]): The worker processes of a job."""
    family = read_family(parent)
    return sorted(number for number, line, _ in family if re.search(_WORKERS[engine], line))


def read_peak(number: int) -> float:
    """RETURNS (float): Peak memory of a process so far in MiB."""
    status = Path(f"/proc/{number}/status").read_text()
    return int(next(x for x in status.splitlines() if x.startswith("VmHWM:")).split()[1]) / 1024


def read_receipts(output: Path) -> list[tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): When each part was done (ns), and its words; in order."""
    return sorted(
        (file.stat().st_mtime_ns, json.loads(file.read_text())["n_words"])
        for file in (output / "receipts").glob("part-*")
    )


def measure_memory(table: Table, model: Path, folder: Path, n_records: int) -> None:
    """Read the peak memory of the command and of its two workers at 10, 50 and 100 %."""
    data, output = write_input(folder / "memory.jsonl", n_records, most=6), folder / "memory"
    start = time.perf_counter()
    process = start_job(model, data, output, "--workers", 2, "--quiet")
    marks: dict[float, dict[str, float]] = {}
    names = ("command", "first worker", "second worker")
    while process.poll() is None:
        time.sleep(0.5)
        n_done = 10_000 * len(list((output / "receipts").glob("part-*")))
        with suppress(OSError, StopIteration, ValueError):
            numbers = [process.pid, *list_workers(process.pid, "local")]
            peaks = dict(zip(names, map(read_peak, numbers), strict=True))
            marks[n_done / n_records] = peaks
    finish(process)
    seconds = time.perf_counter() - start
    chosen = [min(share for share in marks if share >= least) for least in (0.1, 0.5, max(marks))]
    for name in names:
        text = ", ".join(f"{share:.0%}: {marks[share][name]:.0f}" for share in chosen)
        table.add(
            f"{n_records:,} records in {seconds:.0f} s, peak MiB of the {name} ({text})",
            f"{marks[chosen[-1]][name] / marks[chosen[0]][name]:.3f}×",
            target="≤ 1.05×",
        )


def list_engines() -> list[str]:
    """RETURNS (List[str]): The engines that are installed."""
    modules = {"local": "spacy", "ray": "ray", "spark": "pyspark"}
    return [engine for engine, module in modules.items() if find_spec(module)]


def measure_engine(
    model: Path, data: Path, output: Path, engine: str, workers: int
) -> tuple[float, float]:
    """Run a job of 50 parts, and watch it from a tenth of its parts to nine tenths.

    RETURNS (Tuple[float, float]): Words/s by the wall clock, and words per second of the processor
        time of all processes; start-up is out.
    """
    flags = ["--engine", engine, "--workers", workers, "--part-records", count_lines(data) // 50]
    process = start_job(model, data, output, *flags, "--quiet")
    seconds: dict[int, float] = {}  # number of parts done → processor time
    while process.poll() is None:
        time.sleep(0.1)
        n_parts = len(list((output / "receipts").glob("part-*")))
        seconds.setdefault(n_parts, sum(item[2] for item in read_family(process.pid)))
    finish(process)
    done = read_receipts(output)
    start, end = (min((n for n in seconds if n >= k), default=max(seconds)) for k in (5, 45))
    wall = (done[45][0] - done[5][0]) / 1e9
    words = [n_words for _, n_words in done]
    return sum(words[6:46]) / wall, sum(words[start:end]) / (seconds[end] - seconds[start])


def count_lines(path: Path) -> int:
    """RETURNS (int): The lines of a file."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def measure_engines(
    table: Table, model: Path, folder: Path, n_records: int, rounds: int, engines: list[str]
) -> None:
    """Compare engines while all workers are busy."""
    data = write_input(folder / "engines.jsonl", n_records)
    speed: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(rounds):
        for key in [(engine, workers) for workers in (1, 2) for engine in engines]:
            output = folder / f"{key[0]}-{key[1]}-{number}"
            found = measure_engine(model, data, output, *key)
            print(*key, *found, flush=True)
            speed.setdefault(key, []).append(found)
    for (engine, workers), values in speed.items():
        for i, clock in enumerate(("wall time", "processor time, all processes")):
            local = speed["local", workers]
            ratio = find_median([a[i] / b[i] for a, b in zip(values, local, strict=True)])
            table.add(
                f"{n_records:,} records, words/s of {clock}: {engine}, workers: {workers}",
                f"{find_median([value[i] for value in values]):,.0f}",
                against=f"{ratio:.2f}× local",
                target="≥ 0.85×" if engine == "ray" else "-",
            )


def measure_kills(
    table: Table, model: Path, folder: Path, n_records: int, engine: str, n_kills: int
) -> None:
    """Kill the job or a worker at random moments, resume, and compare with an unbroken run.

    A moment is up to a second after up to nine further parts. Of Ray and Spark, only workers
    are killed.
    """
    data = write_input(folder / "kills.jsonl", n_records, most=6)
    flags = ["--part-records", n_records // 100, "--workers", 2, "--quiet"]
    whole = folder / "whole"
    finish(start_job(model, data, whole, *flags))
    rng, outputs = random.Random(0), []
    kills: Counter[str] = Counter()
    while kills.total() < n_kills:
        outputs.append(folder / f"{engine}-killed-{len(outputs)}")
        is_done = False
        while not is_done:
            process = start_job(model, data, outputs[-1], *flags, "--engine", engine)
            is_done = _kill_until_it_ends(process, outputs[-1], rng, engine, kills, n_kills)
    expected = read_records(whole)
    is_equal = all(read_records(output) == expected for output in outputs)
    table.add(
        f"{n_records:,} records, engine {engine}, {kills['job']} kills of the job and "
        f"{kills['worker']} of workers in {len(outputs)} outputs: all equal to an unbroken run's, "
        "record for record",
        str(is_equal),
        target="True",
    )


def _kill_until_it_ends(
    process: subprocess.Popen,
    output: Path,
    rng: random.Random,
    engine: str,
    kills: Counter[str],
    n_kills: int,
) -> bool:
    # counts the kills; gives whether the job has ended by itself
    while kills.total() < n_kills:
        wait_for_parts(process, output, rng.randrange(10))
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, 1))
        if process.poll() is not None:
            break
        kind = rng.choice(["job", "worker"]) if engine == "local" else "worker"
        chosen = [process.pid] if kind == "job" else list_workers(process.pid, engine)
        if not chosen:
            continue
        with suppress(ProcessLookupError):
            os.kill(rng.choice(chosen), signal.SIGKILL)
            kills[kind] += 1
        if kind == "job":
            process.communicate()
            return False
    finish(process)
    return True


def wait_for_parts(process: subprocess.Popen, output: Path, n_parts: int) -> None:
    """Wait until a job has done some parts more, or has ended."""
    before = len(list((output / "receipts").glob("part-*")))
    while process.poll() is None:
        if len(list((output / "receipts").glob("part-*"))) >= before + n_parts:
            return
        time.sleep(0.1)


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


def save(table: Table, what: str, model: Path | None) -> None:
    """Write the new rows into the results; those of other questions are kept."""
    facts = describe_machine()
    name = model.name if model else "a tiny CNN"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    own = {"question": f"{what}, {name}", "date and load": f"{facts.pop('date')}: {load}"}
    rows = [{**own, **row} for row in table.rows]
    path = RESULTS / f"{find_name('annotate', facts)}.json"
    kept = json.loads(path.read_text("utf8"))["rows"] if path.exists() else []
    rows = [*(row for row in kept if row.get("question") != own["question"]), *rows]
    print(write_results(RESULTS, "annotate", facts, rows))


def main() -> None:
    """Measure what was asked for, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", nargs="+", help="speed, growth, memory, engines or kills, each with =RECORDS"
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--engines", nargs="+", default=list_engines(), help="For engines, kills")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    for what, number in (item.split("=") for item in args.what):
        for engine in args.engines if what == "kills" else [""]:
            table, n_records = Table(), int(number)
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                model = args.model or make_model(folder / "tiny")
                if what == "speed":
                    measure_speed(table, model, folder, n_records, args.rounds)
                elif what == "growth":
                    measure_growth(table, model, folder, n_records)
                elif what == "memory":
                    measure_memory(table, model, folder, n_records)
                elif what == "engines":
                    measure_engines(table, model, folder, n_records, args.rounds, args.engines)
                else:
                    measure_kills(table, model, folder, n_records, engine, args.kills)
            save(table, f"{what} {engine}".strip(), args.model)


if __name__ == "__main__":
    main()
