"""One command compares ours with its peers: the same data, encoder, epochs and machine.

    make benchmark-quick     # at most 12 minutes on a quiet machine
    make benchmark           # hours: 2,000 sentences, three seeds, and the other scripts

Ours (configs/config.cfg), spaCy's stock pipeline (configs/stock.cfg) and Hugging Face (a
softmax over first pieces as in the course, then `pipeline`) are trained on Kaggle sentences
and then read raw text in turn, ours also with weights in int8 (`bert-ner quantize`). Peers
read with their default batch size and with their best one, Hugging Face also with texts
sorted by length. Rows are medians. Load time and memory are those of new processes.
Everything goes to `results/NAME-<processor>.json` and, as a table, to docs/performance.md.

With `--foreign`, and always in `make benchmark`, flair, SpanMarker, edsnlp and
spacy-huggingface-pipelines take part too, each in an environment of its own (`foreign.py`).
GLiNER's weights are not on the package index, so it cannot be measured offline.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import spacy
from accuracy import train_and_score
from foreign import BORROWED, SLOW, ForeignReader, list_foreign, train_foreign
from pipelines import make_bare, read_docs
from run_table import PAGE, Figures, make_table, put_table, summarise
from spacy.tokens import Doc
from timing import RESULTS, describe_machine, find_name, read_peak
from transformers import pipeline

from spacy_bert_ner.package.quantize import quantize

ROOT = Path(__file__).parent.parent
PEERS = ("ours", "stock", "hugging-face")
INT8 = "ours, int8"
BATCH_SIZES = (8, 32, 128)
# Sentences to learn from and to read; seeds; rounds.
SIZES = {"quick": (600, 300, 1, 5), "full": (2000, 1000, 3, 5)}
# What else `make benchmark` runs, with the corpus and the encoder that it has.
PARTS = (
    "threads.py --encoder {encoder} --corpus {corpus}/dev.spacy --limit 400",
    "training.py {corpus} {encoder} {results}/training.json",
    "reach.py {corpus} {encoder} {tmp}/logs {results}/reach.json",
    "soak.py {tmp}/ours {corpus}/dev.spacy --minutes 10",
    "convert.py --output {results}/convert.json",
    "stacks.py {tmp}/stacks",
    "annotate.py speed=20000 growth=100000 memory=100000 --model {tmp}/ours",
)
# Reads texts; gives seconds by the clock, and of the processors.
Read = Callable[[Sequence[str]], tuple[float, float]]


def load_reader(peer: str, folder: Path) -> Callable[[Sequence[str], int | None], Any]:
    """RETURNS (Callable): Reads texts to the end, with a batch size or the default one."""
    if peer == "hugging-face":
        pipe = pipeline("token-classification", str(folder), aggregation_strategy="first")
        return lambda texts, size: pipe(list(texts), batch_size=size or 1)
    nlp = spacy.load(folder)
    return lambda texts, size: [len(doc.ents) for doc in nlp.pipe(texts, batch_size=size)]


def timed(read: Callable[[Sequence[str]], Any]) -> Read:
    """RETURNS (Callable): Reads in this process, and measures it."""

    def measured(texts: Sequence[str]) -> tuple[float, float]:
        start, cpu = time.perf_counter(), time.process_time()
        read(texts)
        return time.perf_counter() - start, time.process_time() - cpu

    return measured


def measure_speed(reads: Mapping[str, Read], texts: list[str], n_words: int, rounds: int) -> Any:
    """Let all read the same texts in turn.

    RETURNS (Tuple[Figures, Figures]): Words per second; seconds of the processors for a
        million words.
    """
    walls: dict[str, list[float]] = {name: [] for name in reads}
    cpus: dict[str, list[float]] = {name: [] for name in reads}
    for i in range(rounds + 1):  # the first round does not count
        for name, read in reads.items():
            wall, cpu = read(texts)
            if i:
                walls[name].append(n_words / wall)
                cpus[name].append(cpu / n_words * 1e6)
    return tuple({k: summarise(v) for k, v in values.items()} for values in (walls, cpus))


def find_best_size(read: Callable[[Sequence[str], int | None], Any], texts: list[str]) -> int:
    """RETURNS (int): The batch size that reads these texts in the least time."""
    seconds = {}
    for size in BATCH_SIZES:
        start = time.perf_counter()
        read(texts, size)
        seconds[size] = time.perf_counter() - start
    return min(seconds, key=lambda size: seconds[size])


def make_reads(folders: Mapping[str, Path], docs: list[Doc]) -> dict[str, Read]:
    """RETURNS (Dict[str, Callable]): Each peer with its default and its best batch size."""
    reads: dict[str, Read] = {}
    texts = [doc.text for doc in docs]
    for peer, folder in folders.items():
        read = load_reader(peer, folder)
        reads[peer] = timed(lambda texts, read=read: read(texts, None))
        if peer in PEERS[1:]:
            best = find_best_size(read, texts[:100])
            key = f"{peer}, best batch ({best})"
            reads[key] = timed(lambda texts, read=read, best=best: read(texts, best))
        if peer == "hugging-face":
            key += ", sorted"
            reads[key] = lambda texts, read=reads[key[:-8]]: read(sorted(texts, key=len))
    bare = make_bare(spacy.load(folders["ours"]), docs)()
    reads["ours: bare encoder, no padding, torch's threads"] = timed(lambda _: bare())
    return reads


def measure_processes(folders: Mapping[str, Path], texts: Path, rounds: int) -> list[Figures]:
    """Load and read in new processes, in turn.

    RETURNS (List[Figures]): Seconds to load; seconds from the start of Python to the first
        answer; peak memory in MiB.
    """
    found: dict[str, list[dict[str, float]]] = {peer: [] for peer in PEERS}
    for _ in range(rounds):
        for peer in PEERS:
            command = [sys.executable, __file__, "child", peer, str(folders[peer]), str(texts)]
            start = time.time()
            done = subprocess.run([*command, str(start)], capture_output=True, check=True)
            found[peer].append(json.loads(done.stdout.splitlines()[-1]))
    keys = ("load", "first", "peak")
    return [{p: summarise([row[key] for row in rows]) for p, rows in found.items()} for key in keys]


def run_child(peer: str, folder: Path, texts: Path, start: float) -> None:
    """Load a pipeline in this process, read, and print what it took."""
    begin = time.perf_counter()
    read = load_reader(peer, folder)
    load = time.perf_counter() - begin
    rows = json.loads(texts.read_text("utf8"))
    read(rows[:1], None)
    first = time.time() - start
    read(rows, 32)
    print(json.dumps({"load": load, "first": first, "peak": read_peak()}))


def train_all(
    corpus: Path, encoder: Path, tmp: Path, seeds: int, foreign: Sequence[str]
) -> tuple[Any, ...]:
    """Train each peer with each seed; the last pipelines are kept in `tmp`.

    RETURNS (Tuple[Figures, Figures]): F1 in percent; seconds of a run.
    """
    scores: dict[str, list[float]] = {peer: [] for peer in (*PEERS, *foreign)}
    seconds: dict[str, list[float]] = {peer: [] for peer in scores}
    parts = corpus / "train.spacy", corpus / "dev.spacy"
    for seed in range(seeds):
        for peer in foreign if seed == 0 else [x for x in foreign if x not in SLOW]:
            score, spent = train_foreign(
                peer, *parts, encoder, epochs=3, seed=seed, folder=tmp / peer
            )
            if peer not in SLOW:
                scores[peer].append(score)
                seconds[peer].append(spent)
            print(f"{peer}, seed {seed}: F1 {score:.2f}, {spent:.0f} s", flush=True)
        for peer in PEERS:
            args = argparse.Namespace(
                recipe=peer,
                train=corpus / "train.spacy",
                dev=corpus / "dev.spacy",
                encoder=encoder,
                epochs=3,
                rate=None,
            )
            start = time.perf_counter()
            score, _ = train_and_score(args, seed, {}, keep=tmp / peer)
            scores[peer].append(score)
            seconds[peer].append(time.perf_counter() - start)
            print(f"{peer}, seed {seed}: F1 {score:.2f}, {seconds[peer][-1]:.0f} s", flush=True)
    return tuple({k: summarise(v) for k, v in x.items() if v} for x in (scores, seconds))


def make_corpus(folder: Path, limit: int, limit_dev: int) -> list[Any]:
    """Convert Kaggle sentences; RETURNS (List[Doc]): Those of dev."""
    source = ROOT / "assets" / "kaggle" / "ner_dataset.csv.zip"
    command = [sys.executable, "-m", "spacy", "bert-ner", "convert", str(source), str(folder)]
    command += ["--split", "80/10/10", "--limit", str(limit), "--limit-dev", str(limit_dev)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return read_docs(folder / "dev.spacy")


def compare(
    name: str, encoder: Path, corpus: Path, tmp: Path, foreign: Sequence[str]
) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The machine, and one entry for each row of the table."""
    limit, limit_dev, seeds, rounds = SIZES[name]
    load_before = os.getloadavg()[0]
    docs = make_corpus(corpus, limit, limit_dev)
    rows: dict[str, Figures] = {}
    trained = [peer for peer in foreign if peer not in BORROWED]
    scores, seconds = train_all(corpus, encoder, tmp, seeds, trained)
    rows["F1 in percent, 3 epochs"], rows["seconds of that training run"] = scores, seconds
    folders = {peer: tmp / peer for peer in PEERS}
    folders[INT8] = tmp / "int8"
    quantize(folders["ours"], folders[INT8], dev=corpus / "dev.spacy", max_loss=100)
    sizes = {
        peer: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for peer, folder in folders.items()
    }
    rows["size of the folder, MB"] = {p: summarise([size / 1e6]) for p, size in sizes.items()}
    texts, n_words = [doc.text for doc in docs], sum(map(len, docs))
    reads = make_reads(folders, docs)
    path = tmp / "texts.json"
    path.write_text(json.dumps(texts), "utf8")
    with contextlib.ExitStack() as stack:
        for peer in foreign:
            reader = ForeignReader(peer, tmp / BORROWED.get(peer, peer), path)
            reads[peer] = stack.enter_context(reader)
        speeds, cpus = measure_speed(reads, texts, n_words, rounds)
    rows["words/s, sentences"], rows["processor seconds per million words"] = speeds, cpus
    firsts = {peer: reads[peer] for peer in folders}
    one = measure_speed(firsts, texts[:1], len(docs[0]), max(rounds, 20))[0]
    rows["words/s, one text at a time"] = one
    names = ("seconds to load", "seconds from start to first answer", "peak memory, MiB")
    rows.update(zip(names, measure_processes(folders, path, 5), strict=True))
    machine = describe_machine() | {
        "load before and after": [round(x, 1) for x in (load_before, os.getloadavg()[0])],
        "environment": {k: v for k, v in os.environ.items() if k.startswith(("OMP_", "MKL_"))},
        "sentences to train and read": [len(read_docs(corpus / "train.spacy")), len(docs)],
    }
    return {"machine": machine, "rows": rows}


def run_parts(encoder: Path, corpus: Path, tmp: Path) -> list[str]:
    """RETURNS (List[str]): The other scripts that failed; each prints its own figures."""
    failed = []
    for part in PARTS:
        words = part.format(encoder=encoder, corpus=corpus, tmp=tmp, results=RESULTS).split()
        print(f"== {' '.join(words)}", flush=True)
        done = subprocess.run([sys.executable, f"{ROOT}/benchmarks/{words[0]}", *words[1:]])
        failed += [words[0]] if done.returncode else []
    return failed


def main() -> None:
    """Compare, write the figures down, and put the table on the page."""
    if sys.argv[1:2] == ["child"]:
        peer, folder, texts, start = sys.argv[2:]
        run_child(peer, Path(folder), Path(texts), float(start))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SIZES)
    parser.add_argument("--encoder", type=Path, default=ROOT / "assets" / "encoder")
    parser.add_argument("--foreign", action="store_true", help="peers in environments of theirs")
    args = parser.parse_args()
    foreign = list_foreign() if args.foreign or args.name == "full" else []
    with tempfile.TemporaryDirectory() as folder:
        tmp, corpus = Path(folder), Path(folder) / "corpus"
        found = compare(args.name, args.encoder, corpus, tmp, foreign)
        path = RESULTS / f"{find_name(args.name, found['machine'])}.json"
        path.write_text(json.dumps(found, indent=2) + "\n", "utf8")
        put_table(PAGE, args.name, make_table(found))
        print(make_table(found))
        failed = run_parts(args.encoder, corpus, tmp) if args.name == "full" else []
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
