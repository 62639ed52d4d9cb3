"""How fast pipelines read: ours, spaCy's stock one and the bare encoder, interleaved.

    python benchmarks/inference.py --encoder assets/encoder \
        --corpus conll=eng.testa.spacy --corpus kaggle=corpus/full/test.spacy

Writes `benchmarks/results/inference-<processor>.md` and `.json`. Corpora are DocBin
files (`python -m spacy bert-ner convert`).
"""

import argparse
import functools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pipelines import (
    STOCK_LISTENER,
    EncoderClock,
    build_ours,
    build_stock,
    copy_words,
    fit,
    join_docs,
    make_bare,
    read_docs,
    stream,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from timing import (
    describe_machine,
    find_median,
    interleave,
    measure,
    measure_foreign,
    write_results,
)

from spacy_bert_ner.encoder import docs_to_buckets, get_shim

RESULTS = Path(__file__).parent / "results"
STOCK_SIZES = (16, 32, 64, 128, 256)
DEFAULT_SIZE = 1000  # [nlp] batch_size of spaCy's default config


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


def compare_sentences(
    table: Table, name: str, docs: list[Doc], ours: Language, stock: Language, *, rounds: int
) -> None:
    """Compare words per second on sentences."""
    n_words = sum(map(len, docs))
    part = docs[:1000]
    tried = {size: measure(stream(stock, part, batch_size=size))[0] for size in STOCK_SIZES}
    best = min(tried, key=lambda size: tried[size])
    runs = {
        "ours": stream(ours, docs, batch_size=DEFAULT_SIZE),
        "default": stream(stock, docs, batch_size=DEFAULT_SIZE),
        "best": stream(stock, docs, batch_size=best),
        "bare": make_bare(ours, docs),
    }
    seconds, repeats = interleave(runs, rounds=rounds)
    speed = {key: n_words / find_median(values) for key, values in seconds.items()}

    def share(key: str) -> str:
        ratios = [b / a for a, b in zip(seconds["ours"], seconds[key], strict=True)]
        return f"{find_median(ratios):.2f}×"

    what = f"{name}, {len(docs)} sentences, {n_words} words, float32, words/s"
    note = f"median of {rounds} interleaved rounds, {repeats} disturbed calls repeated"
    table.add(f"{what}: ours", f"{speed['ours']:.0f}", against=note)
    for key, label, target in [
        ("default", f"stock, batch_size {DEFAULT_SIZE} (default)", "≥ 2×"),
        ("best", f"stock, batch_size {best} (its best)", "-"),
        ("bare", "bare encoder, batches of exactly one length", "≥ 0.90×"),
    ]:
        table.add(
            f"{what}: {label}", f"{speed[key]:.0f}", against=f"ours {share(key)}", target=target
        )


def measure_outside(table: Table, name: str, docs: list[Doc], nlps: dict[str, Language]) -> None:
    """Measure the time that is not spent in the encoder."""
    n_words = sum(map(len, docs))
    for label, nlp in nlps.items():
        for disabled in ([], ["ner"]):
            outside = []
            for _ in range(5):
                run = stream(nlp, docs, batch_size=DEFAULT_SIZE, disable=disabled)()
                with EncoderClock(nlp) as clock:
                    seconds, _ = measure_foreign(run)
                outside.append(seconds - clock.seconds)
            value = f"{find_median(outside) / n_words * 1e6:.2f}"
            parts = "transformer + doc_cleaner" if disabled else "whole pipeline"
            target = "≤ 4" if label == "ours" else "-"
            what = f"{name}, µs per word outside the encoder, {parts}, docs given: {label}"
            table.add(what, value, target=target)


def measure_padding(table: Table, name: str, docs: list[Doc], nlp: Language) -> None:
    """Measure how much of what is computed is padding, buffer by buffer."""
    shim = get_shim(nlp.get_pipe("transformer").model)
    computed = needed = 0
    for start in range(0, len(docs), DEFAULT_SIZE):
        for bucket in docs_to_buckets(copy_words(nlp, docs[start : start + DEFAULT_SIZE]), shim):
            computed += bucket.ids.size
            needed += int(bucket.lengths.sum())
    table.add(f"{name}, padded share of pieces", f"{1 - needed / computed:.1%}", target="≤ 5 %")


def compare_long(
    table: Table, docs: list[Doc], ours: Language, stock: Language, *, rounds: int
) -> None:
    """Compare words per second on long docs."""
    for n_words in (2000, 20_000):
        long = join_docs(docs, n_words)[: max(1, 20_000 // n_words)]
        total = sum(map(len, long))
        runs = {"ours": stream(ours, long), "stock": stream(stock, long)}
        seconds, _ = interleave(runs, rounds=rounds)
        ratio = find_median([b / a for a, b in zip(*seconds.values(), strict=True)])
        speeds = [total / find_median(values) for values in seconds.values()]
        what = f"{len(long)} docs of {n_words} words, float32, words/s, ours and stock"
        value = " and ".join(f"{speed:.0f}" for speed in speeds)
        table.add(what, value, against=f"ours {ratio:.2f}×", target="≥ 8×")


def compare_long_scores(table: Table, encoder: str, train: list[Doc], test: list[Doc]) -> None:
    """Compare F1 on long docs: the same weights, read through our windows and stock ones."""
    ours = build_ours(encoder, pooling="mean", compute_dtype="float32", listener=STOCK_LISTENER)
    fit(ours, train, steps=300)
    stock = fit(build_stock(encoder, head="bert_ner"), train, steps=0)
    state = get_shim(ours.get_pipe("transformer").model)._model.state_dict()
    stock.get_pipe("transformer").model.transformer.load_state_dict(state, strict=False)
    stock.get_pipe("ner").from_bytes(ours.get_pipe("ner").to_bytes())
    for n_words in (1, 2000, 20_000):
        long = join_docs(test, n_words)
        f1 = []
        for nlp in (ours, stock):
            pairs = zip(copy_words(nlp, long), long, strict=True)
            scores = nlp.evaluate([Example(x, y) for x, y in pairs], batch_size=64)
            f1.append(f"{scores['ents_f']:.4f}")
        what = f"F1, same weights, {len(long)} docs of ≥ {n_words} words, our windows and stock's"
        table.add(what, " and ".join(f1), target="not lower")


def compare_latency(table: Table, docs: list[Doc], nlp: Language, *, n_texts: int = 300) -> None:
    """Compare one call for one sentence with the bare forward of that sentence."""
    times: dict[str, list[float]] = {"nlp(text)": [], "bare": []}
    texts = [doc.text for doc in docs[:n_texts]]
    for _ in range(2):
        for text in texts:
            bare = make_bare(nlp, [nlp.make_doc(text)])
            call = functools.partial(functools.partial, nlp, text)
            times["nlp(text)"].append(measure(call)[0])
            times["bare"].append(measure(bare)[0])
    for quantile, label in ((50, "p50"), (99, "p99")):
        ours, alone = (np.percentile(values, quantile) * 1e3 for values in times.values())
        value = f"{ours:.1f} ms (bare {alone:.1f} ms)"
        table.add(f"nlp(text), {label}", value, against=f"{ours / alone:.2f}×", target="≤ 1.3×")


def parse_arguments() -> argparse.Namespace:
    """RETURNS (argparse.Namespace): The command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="assets/encoder")
    parser.add_argument("--corpus", action="append", required=True, help="NAME=FILE.spacy")
    parser.add_argument("--train", type=Path, required=True, help="DocBin to train heads on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=None, help="sentences of each corpus")
    parser.add_argument("--rows", default="sentences,outside,padding,long,scores,latency")
    return parser.parse_args()


def main() -> None:
    """Measure all rows, print them and write them down."""
    args = parse_arguments()
    warnings.filterwarnings("ignore")
    machine = describe_machine()
    train = read_docs(args.train, 3000)
    corpora = dict(part.split("=", 1) for part in args.corpus)
    docs = {name: read_docs(Path(path), args.limit) for name, path in corpora.items()}
    ours = fit(build_ours(args.encoder, compute_dtype="float32"), train, steps=60)
    stock = fit(build_stock(args.encoder), train, steps=20)
    table = Table()
    rows: dict[str, Callable[[], Any]] = {
        "sentences": lambda: [
            compare_sentences(table, name, part, ours, stock, rounds=args.rounds)
            for name, part in docs.items()
        ],
        "outside": lambda: [
            measure_outside(table, name, part[:3000], {"ours": ours, "stock": stock})
            for name, part in docs.items()
        ],
        "padding": lambda: [measure_padding(table, n, part, ours) for n, part in docs.items()],
        "long": lambda: compare_long(
            table, next(iter(docs.values())), ours, stock, rounds=args.rounds
        ),
        "scores": lambda: compare_long_scores(
            table, args.encoder, train, next(iter(docs.values()))
        ),
        "latency": lambda: compare_latency(table, next(iter(docs.values())), ours),
    }
    if not machine["avx512_bf16"]:
        reason = "not measurable on this processor (no avx512_bf16)"
        table.add("sentences in bfloat16, against stock", reason, target="≥ 7×, ≥ 5×")
    for row in args.rows.split(","):
        rows[row]()
    name = re.sub(r"\W+", "-", machine["processor"]).strip("-").lower()
    print(write_results(RESULTS, f"inference-{name}", machine, table.rows))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
