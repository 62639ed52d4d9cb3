"""Fair times on a machine with other users: interleaved, and repeated when disturbed."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

# Share of the processor's time that other processes may take while we measure.
MAX_FOREIGN = 0.10
MAX_REPEATS = 20
Prepare = Callable[[], Callable[[], Any]]
PACKAGES = ("spacy", "spacy-transformers", "thinc", "torch", "transformers", "numpy")


def measure_foreign(run: Callable[[], Any]) -> tuple[float, float]:
    """Time a call, and find how much of the processor others took meanwhile.

    run (Callable): What to time.
    RETURNS (Tuple[float, float]): Seconds; other processes' share of all cores.
    """
    busy, own, start = read_busy(), time.process_time(), time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    foreign = read_busy() - busy - (time.process_time() - own)
    return seconds, max(0.0, foreign) / seconds / (os.cpu_count() or 1)


def read_busy() -> float:
    """RETURNS (float): Seconds that all cores were busy since the machine started (Linux)."""
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def measure(prepare: Prepare) -> tuple[float, int]:
    """Time a call that nothing else disturbs; disturbed calls are repeated.

    prepare (Callable): Gives what is timed, each time anew.
    RETURNS (Tuple[float, int]): Seconds of the call with least disturbance; how
        often it was repeated.
    """
    calls = []
    for _ in range(MAX_REPEATS):
        calls.append(measure_foreign(prepare()))
        if calls[-1][1] <= MAX_FOREIGN:
            break
    return min(calls, key=lambda call: call[1])[0], len(calls) - 1


def interleave(runs: Mapping[str, Prepare], *, rounds: int) -> tuple[dict[str, list[float]], int]:
    """Time several calls in turn, so that a slow hour slows all of them.

    runs (Mapping[str, Callable]): What prepares what is timed, by name.
    rounds (int): How often each is timed.
    RETURNS (Tuple[Dict[str, List[float]], int]): Seconds of each, round by round;
        how many calls were disturbed and repeated.
    """
    for prepare in runs.values():
        prepare()()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    repeats = 0
    for _ in range(rounds):
        for name, prepare in runs.items():
            taken, repeated = measure(prepare)
            seconds[name].append(taken)
            repeats += repeated
    return seconds, repeats


def find_median(values: list[float]) -> float:
    """RETURNS (float): The median."""
    return statistics.median(values)


def describe_machine() -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Processor, cores, versions and date."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    models = [line.split(":")[1].strip() for line in cpuinfo.split("\n") if "model name" in line]
    flags = torch.cpu.get_capabilities()
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "avx512_bf16": bool(flags.get("avx512_bf16") or flags.get("amx_bf16")),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def write_results(folder: Path, name: str, machine: dict[str, Any], rows: list[dict]) -> Path:
    """Write rows as JSON, and as a Markdown table beside it.

    folder (Path): Where to write.
    name (str): Name of the files, without ending.
    machine (Dict[str, Any]): What `describe_machine` gave.
    rows (List[dict]): The rows, all with the same keys.
    RETURNS (Path): The Markdown file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps({"machine": machine, "rows": rows}, indent=2)
    (folder / f"{name}.json").write_text(data + "\n", "utf8")
    keys = list(rows[0])
    lines = [f"# {name}", "", *(f"- {key}: {value}" for key, value in machine.items()), ""]
    lines += ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in rows]
    path = folder / f"{name}.md"
    path.write_text("\n".join(lines) + "\n", "utf8")
    return path
