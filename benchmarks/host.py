"""The host's work on a word, layer by layer: `nlp.pipe` of raw text, without the encoder.

    python benchmarks/host.py training/model-best --layers

The encoder reads the texts once. In the rounds that are timed, it gives the same vectors at
once, so the entities are those of the model. Figures are processor time of one thread,
medians of rounds. With `--layers`, the time of a layer leaves out the layers that it calls;
watching them takes about 1 µs a word. Writes `benchmarks/results/host.json`.
"""

import argparse
import contextlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import spacy
import spacy_transformers.pipeline_component as transformer_pipe
import torch
from spacy.language import Language
from timing import RESULTS, describe_machine

from spacy_bert_ner.corpus.reader import make_corpus_reader_v1
from spacy_bert_ner.decode import entities
from spacy_bert_ner.encode import shim, transformer
from spacy_bert_ner.pieces.table import WordTable
from spacy_bert_ner.pipe import bert_ner
from spacy_bert_ner.pipe.bert_ner import BertNer

CORPUS = Path(__file__).parents[1] / "assets/kaggle/ner_dataset.csv.zip"
# Functions to watch, by where they are looked up.
LAYERS = {
    transformer_pipe: ("batch_by_length",),
    transformer_pipe.Transformer: ("set_annotations",),
    WordTable: ("lookup",),
    transformer: ("docs_to_buckets", "TokenBatch"),
    bert_ner: ("join_words", "require_vectors", "find_entities", "split_spans"),
    BertNer: ("set_annotations",),
    entities: ("find_best_path", "path_to_spans", "measure_entities", "sum_paths", "score_spans"),
}


class Clock:
    """Processor time of functions, without that of others that they call."""

    def __init__(self) -> None:
        """Start outside of all functions."""
        self.seconds: Counter[str] = Counter()
        self.names = ["nlp.pipe and the rest"]
        self.since = 0.0

    def switch(self) -> None:
        """Give the time since the last switch to the function that runs."""
        now = time.thread_time()
        self.seconds[self.names[-1]] += now - self.since
        self.since = now

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Replace a function by one whose time is measured."""
        run = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.switch()
            self.names.append(name)
            try:
                return run(*args, **kwargs)
            finally:
                self.switch()
                self.names.pop()

        setattr(owner, attribute, timed)

    def watch_all(self, nlp: Language) -> None:
        """Watch the layers of a pipeline."""
        self.watch(nlp, "_ensure_doc", "tokenizer")
        for owner, names in LAYERS.items():
            for name in names:
                self.watch(owner, name, f"{owner.__name__.split('.')[-1]}.{name}")
        for component, pipe in nlp.pipeline:
            if hasattr(pipe, "model"):
                for node in pipe.model.walk():
                    self.watch(node, "_func", f"{component}: {node.name[:40]}")


@contextlib.contextmanager
def replayed_encoder(read: Callable[[], Any]) -> Iterator[None]:
    """Read texts once; then let the encoder give what it gave, in the same order."""
    compute = shim.compute_vectors
    kept: list[torch.Tensor] = []
    left: deque[torch.Tensor] = deque()

    def keep(*args: Any, **options: Any) -> torch.Tensor:
        kept.append(compute(*args, **options))
        return kept[-1]

    def replay(*args: Any, **options: Any) -> torch.Tensor:
        left.extend(() if left else kept)
        return left.popleft()

    shim.compute_vectors = keep
    try:
        read()
        shim.compute_vectors = replay
        yield
    finally:
        shim.compute_vectors = compute


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--texts", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS / "host.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    nlp, clock = spacy.load(args.model), Clock()
    reader = make_corpus_reader_v1(str(CORPUS), limit=args.texts, gold_preproc=True)
    texts = [eg.reference.text for eg in reader(spacy.blank("en"))]
    n_words = sum(len(nlp.make_doc(text)) for text in texts)
    load, whole, layers = os.getloadavg()[0], [], []
    with replayed_encoder(lambda: deque(nlp.pipe(texts), maxlen=0)):
        if args.layers:
            clock.watch_all(nlp)
        for _ in range(args.rounds + 1):
            clock.seconds.clear()
            clock.since = start = time.thread_time()
            deque(nlp.pipe(texts), maxlen=0)
            clock.switch()
            whole.append(1e6 * (time.thread_time() - start) / n_words)
            layers.append({name: 1e6 * s / n_words for name, s in clock.seconds.items()})
    parts = {name: median(each[name] for each in layers[1:]) for name in layers[1]}
    found = {
        "µs a word": round(median(whole[1:]), 2),
        "rounds": [round(x, 2) for x in sorted(whole[1:])],
        "layers": {k: round(v, 3) for k, v in sorted(parts.items(), key=lambda kv: -kv[1])},
        "words": n_words,
        "load before": round(load, 1),
        "machine": describe_machine(),
    }
    print(json.dumps(found, indent=1, ensure_ascii=False))
    kept = json.loads(args.output.read_text("utf8")) if args.output.is_file() else {}
    kept["layers" if args.layers else "whole"] = found
    args.output.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf8")


if __name__ == "__main__":
    main()
