"""How fast pipelines are next to busy processes: ours by threads, and spaCy's stock one.

Training is that of `spacy train` with configs/config.cfg and configs/stock.cfg.

    python benchmarks/threads.py --encoder assets/encoder --corpus corpus/full/test.spacy

Rounds are interleaved, and each row is a median. The busy processes belong to the script, so
run it on a machine that is quiet otherwise: the load at the start is recorded. Threads
that wait are those of the environment: run it with and without `OMP_WAIT_POLICY=PASSIVE`.
Writes `benchmarks/results/threads-<name>.md` and `.json`.
"""

import argparse
import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch
from pipelines import build_ours, build_stock, copy_words, fit, read_docs
from spacy.language import Language
from spacy.tokens import Doc
from timing import RESULTS, describe_machine, write_results
from trainers import SpacyPeer
from training import CONFIGS

from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.machine import count_processors

N_CALLERS = 8
N_STEPS = 8


@contextlib.contextmanager
def busy_processes(n: int) -> Iterator[None]:
    """Keep some processors busy for as long as a context lasts."""
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    command = [sys.executable, "-c", code]
    neighbours = [subprocess.Popen(command) for _ in range(n)]
    try:
        yield
    finally:
        for process in neighbours:
            process.kill()
            process.wait()


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """Let all threads of this process run on one processor only, as in a small container."""
    before = os.sched_getaffinity(0)
    try:
        set_affinity({min(before)})
        yield
    finally:
        set_affinity(before)


def set_affinity(processors: set[int]) -> None:
    """Let all threads of this process run on some processors only (Linux)."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread.name), processors)


def read_all(nlp: Language, docs: Sequence[Doc], threads: int, *, is_ours: bool) -> None:
    """Predict with a number of threads: of ours, or inside torch for the stock pipeline."""
    if is_ours:
        shim = get_shim(nlp.get_pipe("transformer").model)
        shim.settings = dataclasses.replace(shim.settings, threads=threads)
    else:
        torch.set_num_threads(threads)
    for _ in nlp.pipe(docs, batch_size=512):
        pass


def read_from_callers(nlp: Language, docs: Sequence[Doc], threads: int, *, is_ours: bool) -> None:
    """Predict doc by doc from eight Python threads."""

    def call(part: Sequence[Doc]) -> None:
        for doc in part:
            read_all(nlp, [doc], threads, is_ours=is_ours)

    callers = [threading.Thread(target=call, args=[docs[i::N_CALLERS]]) for i in range(N_CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def train(rows: list[dict[str, str]], label: str, peers: dict[str, SpacyPeer], rounds: int) -> None:
    """Take some steps of `spacy train` in turn, and add a row for each config."""
    torch.set_num_threads(count_processors())
    speeds: dict[str, list[float]] = {name: [] for name in peers}
    for i in range(rounds + 1):  # The first round does not count.
        for name, peer in peers.items():
            speed = peer.run(N_STEPS)
            speeds[name] += [speed] if i else []
    add_rows(rows, f"training, {label}", speeds)


Run = Callable[[Language, list[Doc]], None]


def measure(
    rows: list[dict[str, str]],
    what: str,
    runs: dict[str, tuple[Language, Run]],
    docs: list[Doc],
    *,
    rounds: int,
) -> None:
    """Time each run in turn, and add a row for each."""
    n_words = sum(map(len, docs))
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds + 1):  # The first round does not count.
        for name, (nlp, run) in runs.items():
            copies = copy_words(nlp, docs)
            start = time.perf_counter()
            run(nlp, copies)
            if i:
                speeds[name].append(n_words / (time.perf_counter() - start))
    add_rows(rows, what, speeds)


def add_rows(rows: list[dict[str, str]], what: str, speeds: dict[str, list[float]]) -> None:
    """Add a row for each pipeline, and print it."""
    for name, values in speeds.items():
        row = {
            "row": what,
            "pipeline": name,
            "words/s": f"{median(values):.0f}",
            "from - to": f"{min(values):.0f} - {max(values):.0f}",
            "load": f"{os.getloadavg()[0]:.1f}",
        }
        rows.append(row)
        print(" | ".join(row.values()), flush=True)


def parse_arguments() -> argparse.Namespace:
    """RETURNS (argparse.Namespace): The command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="assets/encoder")
    parser.add_argument("--corpus", type=Path, required=True, help="a DocBin next to train.spacy")
    parser.add_argument("--limit", type=int, default=1000, help="sentences to read")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", default="0,1,2,4", help="numbers of busy processes")
    parser.add_argument("--dtype", default="auto", help="what ours computes in")
    parser.add_argument("--rows", default="pipe,one processor,callers,training")
    parser.add_argument("--name", default=None, help="of the result files")
    return parser.parse_args()


def main() -> None:
    """Measure all rows, print them and write them down."""
    args = parse_arguments()
    warnings.filterwarnings("ignore")
    n, rows = count_processors(), list[dict[str, str]]()
    machine = {
        **describe_machine(),
        "usable": n,
        "load before": f"{os.getloadavg()[0]:.1f}",
        "wait policy": os.environ.get("OMP_WAIT_POLICY"),
    }
    docs = read_docs(args.corpus, args.limit)
    ours = fit(build_ours(args.encoder, compute_dtype=args.dtype, window=128), docs[:200], steps=3)
    stock = fit(build_stock(args.encoder), docs[:200], steps=3)

    def take(run: Callable[..., None]) -> dict[str, tuple[Language, Run]]:
        return {
            f"{name}, {k} thread{'s' if k > 1 else ''}": (
                nlp,
                partial(run, threads=k, is_ours=nlp is ours),
            )
            for name, nlp in (("ours", ours), ("stock", stock))
            for k in sorted({1, n})
        }

    peers = {}
    if "training" in args.rows:
        peers = {
            name: SpacyPeer(config, args.corpus.parent, Path(args.encoder), 1000)
            for name, config in CONFIGS.items()
        }
    for n_busy in map(int, args.busy.split(",")):
        label = f"next to {n_busy} busy"
        with busy_processes(n_busy):
            if "pipe" in args.rows:
                measure(rows, f"nlp.pipe, {label}", take(read_all), docs, rounds=args.rounds)
            if peers:
                train(rows, label, peers, args.rounds)
    if "callers" in args.rows:
        runs = take(read_from_callers)
        measure(rows, f"{N_CALLERS} callers, doc by doc", runs, docs[:160], rounds=args.rounds)
    if "one processor" in args.rows:
        with one_processor():
            measure(rows, "one processor", take(read_all), docs[:300], rounds=args.rounds)
    name = "threads" + (f"-{args.name}" if args.name else "")
    print(write_results(RESULTS, name, machine, rows))


if __name__ == "__main__":
    main()
