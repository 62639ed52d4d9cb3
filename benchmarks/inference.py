"""How fast pipelines read: ours, spaCy's stock one and the bare encoder, interleaved.

    python benchmarks/inference.py --encoder assets/encoder \
        --corpus conll=eng.testa.spacy --corpus kaggle=corpus/full/test.spacy

Writes `benchmarks/results/inference-<processor>.md` and `.json`. Corpora are DocBin
files (`python -m spacy bert-ner convert`).
"""

import argparse
import functools
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
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
from timing import Timer, compare, describe_machine, find_median, write_results

from spacy_bert_ner.encode.transformer import docs_to_buckets, get_shim

RESULTS = Path(__file__).parent / "results"
STOCK_SIZES = (16, 32, 64, 128, 256)
DEFAULT_SIZE = 1000  # [nlp] batch_size of spaCy's default config


class Pipelines(NamedTuple):
    """The two that are compared.

    ours, stock (Language): Trained for some steps, so that both really predict.
    """

    ours: Language
    stock: Language


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
    table: Table, timer: Timer, name: str, docs: list[Doc], nlps: Pipelines, *, rounds: int
) -> None:
    """Compare words per second on sentences."""
    n_words = sum(map(len, docs))
    tried = {
        size: timer.measure(stream(nlps.stock, docs[:500], batch_size=size)) for size in STOCK_SIZES
    }
    best = min(tried, key=lambda size: tried[size])
    runs = {
        "ours": stream(nlps.ours, docs, batch_size=DEFAULT_SIZE),
        "default": stream(nlps.stock, docs, batch_size=DEFAULT_SIZE),
        "best": stream(nlps.stock, docs, batch_size=best),
        "bare": make_bare(nlps.ours, docs),
    }
    seconds = timer.interleave(runs, rounds=rounds)
    speed = {key: n_words / find_median(values) for key, values in seconds.items()}
    dtype = str(get_shim(nlps.ours.get_pipe("transformer").model).dtype).removeprefix("torch.")
    targets = ("≥ 7×", "≥ 5×") if dtype == "bfloat16" else ("≥ 2×", "-")
    what = f"{name}, {len(docs)} sentences, {n_words} words, {dtype}, words/s"
    table.add(f"{what}: ours", f"{speed['ours']:.0f}", against=f"median of {rounds} rounds")
    for key, label, target in [
        ("default", f"stock, batch_size {DEFAULT_SIZE} (default)", targets[0]),
        ("best", f"stock, batch_size {best} (its best)", targets[1]),
        ("bare", "bare encoder, batches of exactly one length", "≥ 0.90×"),
    ]:
        ratio = f"ours {compare(seconds, 'ours', key):.2f}×"
        table.add(f"{what}: {label}", f"{speed[key]:.0f}", against=ratio, target=target)


def measure_outside(
    table: Table, timer: Timer, name: str, docs: list[Doc], nlps: Pipelines
) -> None:
    """Measure the time that is not spent in the encoder."""
    n_words = sum(map(len, docs))
    for label, nlp in nlps._asdict().items():
        for disabled in ([], ["ner"]):
            outside = []
            for _ in range(5):
                run = stream(nlp, docs, batch_size=DEFAULT_SIZE, disable=disabled)()
                with EncoderClock(nlp, timer.now) as clock:
                    start = timer.now()
                    run()
                    outside.append(timer.now() - start - clock.seconds)
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
        for bucket in docs_to_buckets(copy_words(nlp, docs[start : start + DEFAULT_SIZE]), shim)[0]:
            computed += bucket.ids.size
            needed += int(bucket.lengths.sum())
    table.add(f"{name}, padded share of pieces", f"{1 - needed / computed:.1%}", target="≤ 5 %")


def compare_long(
    table: Table, timer: Timer, docs: list[Doc], nlps: Pipelines, *, rounds: int
) -> None:
    """Compare words per second on long docs."""
    for n_words in (2000, 20_000):
        long = join_docs(docs, n_words)[: max(1, 10_000 // n_words)]
        if not long:
            print(f"no {n_words} words in the first corpus: raise --limit", flush=True)
            continue
        total = sum(map(len, long))
        runs = {label: stream(nlp, long) for label, nlp in nlps._asdict().items()}
        seconds = timer.interleave(runs, rounds=rounds)
        speeds = [f"{total / find_median(values):.0f}" for values in seconds.values()]
        what = f"{len(long)} docs of {n_words} words, float32, words/s, ours and stock"
        ratio = f"ours {compare(seconds, 'ours', 'stock'):.2f}×"
        table.add(what, " and ".join(speeds), against=ratio, target="≥ 8×")


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


def compare_latency(table: Table, timer: Timer, docs: list[Doc], nlp: Language) -> None:
    """Compare one call for one sentence with the bare forward of that sentence."""
    times: dict[str, list[float]] = {"nlp(text)": [], "bare": []}
    for text in [doc.text for doc in docs[:300]] * 2:
        bare = make_bare(nlp, [nlp.make_doc(text)])
        call = functools.partial(functools.partial, nlp, text)
        times["nlp(text)"].append(timer.measure(call))
        times["bare"].append(timer.measure(bare))
    for quantile in (50, 99):
        ours, alone = (np.percentile(values, quantile) * 1e3 for values in times.values())
        value = f"{ours:.1f} ms (bare {alone:.1f} ms)"
        table.add(f"nlp(text), p{quantile}", value, against=f"{ours / alone:.2f}×", target="≤ 1.3×")


def parse_arguments() -> argparse.Namespace:
    """RETURNS (argparse.Namespace): The command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="assets/encoder")
    parser.add_argument("--corpus", action="append", required=True, help="NAME=FILE.spacy")
    parser.add_argument("--train", type=Path, required=True, help="DocBin to train heads on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=None, help="sentences of each corpus")
    parser.add_argument("--threads", type=int, default=2, help="1: processor time, not wall time")
    parser.add_argument("--dtype", default="float32", help="what ours computes in")
    parser.add_argument("--rows", default="padding,sentences,outside,latency,long,scores")
    parser.add_argument("--name", default="inference", help="of the result files")
    return parser.parse_args()


def main() -> None:
    """Measure all rows, print them and write them down."""
    args = parse_arguments()
    warnings.filterwarnings("ignore")
    timer, table = Timer(args.threads), Table()
    train = read_docs(args.train, 3000)
    corpora = dict(part.split("=", 1) for part in args.corpus)
    parts = {name: read_docs(Path(path), args.limit) for name, path in corpora.items()}
    first = next(iter(parts.values()))
    ours = fit(build_ours(args.encoder, compute_dtype=args.dtype), train, steps=60)
    nlps = Pipelines(ours, fit(build_stock(args.encoder), train, steps=20))
    if not describe_machine()["avx512_bf16"]:
        reason = "not measurable on this processor (no avx512_bf16)"
        table.add("sentences in bfloat16, against stock", reason, target="≥ 7×, ≥ 5×")
    for row in args.rows.split(","):
        for name, docs in parts.items():
            if row == "padding":
                measure_padding(table, name, docs, ours)
            elif row == "sentences":
                compare_sentences(table, timer, name, docs, nlps, rounds=args.rounds)
            elif row == "outside":
                measure_outside(table, timer, name, docs[:1000], nlps)
        if row == "latency":
            compare_latency(table, timer, first, ours)
        elif row == "long":
            compare_long(table, timer, first, nlps, rounds=args.rounds)
        elif row == "scores":
            compare_long_scores(table, args.encoder, train, first)
    print(write_results(RESULTS, args.name, describe_machine(timer), table.rows))


if __name__ == "__main__":
    main()
