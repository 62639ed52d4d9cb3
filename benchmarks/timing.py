"""Fair times on a machine with other users: interleaved, and repeated when disturbed."""

import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from wasabi import MarkdownRenderer

from spacy_bert_ner.machine import name_processor

# Share of the processor's time that other processes may take while we measure.
MAX_FOREIGN = 0.10
MAX_REPEATS = 20
Prepare = Callable[[], Callable[[], Any]]
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("spacy", "spacy-transformers", "thinc", "torch", "transformers", "numpy")


class Timer:
    """Times calls by the wall clock or, for one thread, by the processor's own.

    The processor time of a thread hardly depends on what else runs on the machine. The
    wall clock does, so calls that other processes disturb are repeated.

    threads (int): Threads that torch runs. With 1, processor time is measured.
    """

    def __init__(self, threads: int):
        """Set torch's threads."""
        torch.set_num_threads(threads)
        self.now = time.process_time if threads == 1 else time.perf_counter
        self.repeats = 0

    def measure(self, prepare: Prepare) -> float:
        """Time a call.

        prepare (Callable): Makes the call that is timed, once for each time.
        RETURNS (float): Seconds of the least disturbed call.
        """
        calls = []
        while len(calls) < MAX_REPEATS:
            run = prepare()
            busy, own, wall, start = (
                read_busy(),
                time.process_time(),
                time.perf_counter(),
                self.now(),
            )
            run()
            seconds, wall = self.now() - start, time.perf_counter() - wall
            foreign = read_busy() - busy - (time.process_time() - own)
            calls.append((foreign / wall / (os.cpu_count() or 1), seconds))
            if self.now is time.process_time or calls[-1][0] <= MAX_FOREIGN:
                break
        self.repeats += len(calls) - 1
        return min(calls)[1]

    def interleave(self, runs: Mapping[str, Prepare], *, rounds: int) -> dict[str, list[float]]:
        """Time several calls in turn, so that a slow hour slows all of them.

        runs (Mapping[str, Callable]): What makes each call, by name.
        rounds (int): How often each is timed, after a first time that does not count.
        RETURNS (Dict[str, List[float]]): Seconds of each, round by round.
        """
        for prepare in runs.values():
            prepare()()
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, prepare in runs.items():
                seconds[name].append(self.measure(prepare))
        return seconds

    def describe(self) -> str:
        """RETURNS (str): What was measured, for the results."""
        if self.now is time.process_time:
            return "processor time of 1 thread"
        n_threads = torch.get_num_threads()
        return f"wall time of {n_threads} threads, {self.repeats} disturbed calls repeated"


def read_busy() -> float:
    """RETURNS (float): Seconds that all cores were busy since the machine started (Linux)."""
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def compare(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """RETURNS (float): How many times faster one is than another: median of the rounds."""
    ratios = [b / a for a, b in zip(seconds[one], seconds[other], strict=True)]
    return statistics.median(ratios)


def find_median(values: list[float]) -> float:
    """RETURNS (float): The median."""
    return statistics.median(values)


def describe_machine(timer: "Timer | None" = None) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Processor, cores, clock, versions and date."""
    flags = torch.cpu.get_capabilities()
    return {
        "processor": name_processor(),
        "cores": os.cpu_count(),
        "avx512_bf16": bool(flags.get("avx512_bf16") or flags.get("amx_bf16")),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "clock": timer.describe() if timer else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def find_name(name: str, machine: dict[str, Any]) -> str:
    """RETURNS (str): The name of a result on a machine: what was measured, and the processor."""
    return name + "-" + re.sub(r"\W+", "-", machine["processor"]).strip("-").lower()


def read_peak() -> float:
    """Give the peak memory of this process in MiB (Linux).

    Not by `getrusage`, which counts what the parent had when it made the process.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


class Table:
    """Collects the rows, and prints each as it comes."""

    def __init__(self) -> None:
        """Start without rows."""
        self.rows: list[dict[str, str]] = []

    def add(self, row: str, value: str, *, against: str = "-", target: str = "-") -> None:
        """Add a row."""
        entry = {"row": row, "value": value, "against": against, "must reach": target}
        self.rows.append(entry)
        print(" | ".join(entry.values()), flush=True)


def write_results(folder: Path, name: str, machine: dict[str, Any], rows: list[dict]) -> Path:
    """Write rows as JSON, and as a Markdown table next to it.

    folder (Path): Where to write.
    name (str): What was measured; the processor's name is added.
    machine (Dict[str, Any]): What `describe_machine` gave.
    rows (List[dict]): The rows, all with the same keys.
    RETURNS (Path): The Markdown file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = find_name(name, machine)
    data = json.dumps({"machine": machine, "rows": rows}, indent=2)
    (folder / f"{name}.json").write_text(data + "\n", "utf8")
    keys = list(rows[0])
    lines = [f"# {name}", "", *(f"- {key}: {value}" for key, value in machine.items()), ""]
    table = MarkdownRenderer().table([[str(row[key]) for key in keys] for row in rows], list(keys))
    lines.append(table)
    path = folder / f"{name}.md"
    path.write_text("\n".join(lines) + "\n", "utf8")
    return path
