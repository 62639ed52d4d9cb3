"""Words per second of training steps: stock spaCy, ours, and the bare torch loop.

    flock /work/cpu.lock python benchmarks/training.py CORPUS ENCODER OUTPUT.json

CORPUS holds train.spacy and dev.spacy, ENCODER is a folder in Hugging Face layout. The
peers take turns in one process, a round of steps each, on the same sentences in batches
of 32, without evaluations; the median over the rounds counts. The bare loop is forward,
backward and torch.optim.AdamW on batches of one exact length each, so without padding,
tokenization or components: what no trainer on this machine can beat by much.
"""

import itertools
import random
import statistics
import sys
import time
from pathlib import Path

import srsly
import torch
import typer
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry, resolve_dot_names
from spacy.vocab import Vocab
from tokenizers import Tokenizer
from transformers import AutoModel
from wasabi import msg

ROOT = Path(__file__).parent.parent
BATCH = 32


class SpacyPeer:
    """The steps of `spacy train` with a config, without its evaluations."""

    def __init__(self, config: Path, corpus: Path, encoder: Path, limit: int) -> None:
        """Initialize the pipeline as `spacy train` does."""
        overrides = {
            "paths.train": str(corpus / "train.spacy"),
            "paths.dev": str(corpus / "dev.spacy"),
            "paths.encoder": str(encoder),
            "corpora.train.limit": limit,
            "corpora.dev.limit": 1,
        }
        self.nlp = init_nlp(load_config(config, overrides=overrides, interpolate=False))
        filled = self.nlp.config.interpolate()
        settings = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
        (corpus_reader,) = resolve_dot_names(filled, [filled["training"]["train_corpus"]])
        self.optimizer = settings["optimizer"]
        examples = list(corpus_reader(self.nlp))
        random.Random(0).shuffle(examples)
        self.batches = itertools.cycle(list(settings["batcher"](examples)))

    def run(self, n_steps: int) -> float:
        """RETURNS (float): Words per second over some steps."""
        batches = [list(batch) for batch in itertools.islice(self.batches, n_steps)]
        start = time.perf_counter()
        for batch in batches:
            self.nlp.update(batch, sgd=False, drop=0.1, losses={})
            for _, proc in self.nlp.pipeline:
                if getattr(proc, "is_trainable", False):
                    proc.finish_update(self.optimizer)
            self.optimizer.step_schedules()
        seconds = time.perf_counter() - start
        return sum(len(eg) for batch in batches for eg in batch) / seconds


class BarePeer:
    """Forward, backward and AdamW of the encoder on batches of one exact length."""

    def __init__(self, corpus: Path, encoder: Path, limit: int, dtype: torch.dtype) -> None:
        """Tokenize the corpus beforehand."""
        self.dtype = dtype
        self.model = AutoModel.from_pretrained(encoder, add_pooling_layer=False).train()
        self.head = torch.nn.Linear(self.model.config.hidden_size, 9)
        parameters = [*self.model.parameters(), *self.head.parameters()]
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(parameters, lr=2e-4, fused=True)
        tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        by_length: dict[int, list[tuple[list[int], int]]] = {}
        docs = DocBin().from_disk(corpus / "train.spacy").get_docs(Vocab())
        for doc in itertools.islice(docs, limit):
            words = [token.text for token in doc]
            ids = tokenizer.encode(words, is_pretokenized=True).ids
            by_length.setdefault(len(ids), []).append((ids, len(words)))
        rng = random.Random(0)
        batches = []
        for items in by_length.values():
            rng.shuffle(items)
            batches += [items[i : i + BATCH] for i in range(0, len(items) - BATCH + 1, BATCH)]
        if not batches:
            raise ValueError(f"No {BATCH} of {limit} sentences have one length. Raise --limit.")
        rng.shuffle(batches)
        self.batches = itertools.cycle(batches)

    def run(self, n_steps: int) -> float:
        """RETURNS (float): Words per second over some steps."""
        batches = list(itertools.islice(self.batches, n_steps))
        is_low = self.dtype != torch.float32
        start = time.perf_counter()
        for batch in batches:
            ids = torch.tensor([item[0] for item in batch])
            with torch.autocast("cpu", self.dtype, enabled=is_low):
                vectors = self.model(input_ids=ids).last_hidden_state
            scores = self.head(vectors.float()).flatten(0, 1)
            torch.nn.functional.cross_entropy(scores, ids.flatten() % 9).backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        seconds = time.perf_counter() - start
        return sum(n_words for batch in batches for _, n_words in batch) / seconds


def main(
    corpus: Path,
    encoder: Path,
    output: Path,
    *,
    rounds: int = 5,
    steps: int = 12,
    limit: int = 4000,
    config: Path = ROOT / "configs" / "gpu.cfg",
) -> None:
    """Measure each peer in turn, and write all rounds to OUTPUT."""
    torch.set_num_threads(2)
    peers = {
        "stock": SpacyPeer(ROOT / "configs" / "stock.cfg", corpus, encoder, limit),
        "ours": SpacyPeer(config, corpus, encoder, limit),
        "bare": BarePeer(corpus, encoder, limit, torch.float32),
    }
    speeds: dict[str, list[float]] = {name: [] for name in peers}
    for peer in peers.values():
        peer.run(2)
    facts = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
    facts |= {"steps": steps, "batch": BATCH, "command": sys.argv}
    medians = {}
    for _ in range(rounds):
        for name, peer in peers.items():
            speeds[name].append(round(peer.run(steps), 1))
        medians = {name: statistics.median(values) for name, values in speeds.items()}
        # After each round, so that a run that is cut short leaves what it measured.
        srsly.write_json(output, {"medians": medians, "rounds": speeds, **facts})
    for name, value in medians.items():
        msg.text(
            f"{name:>6}: {value:7,.0f} words/s, {value / medians['stock']:.2f} x stock, "
            f"{value / medians['bare']:.2f} x bare   {speeds[name]}"
        )


if __name__ == "__main__":
    typer.run(main)
