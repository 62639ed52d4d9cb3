"""What trains in `training.py`: spaCy's loop, Hugging Face's, and a bare one of torch."""

import itertools
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry, resolve_dot_names
from spacy.vocab import Vocab
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

BATCH = 32
IGNORED = -100  # what Hugging Face's loss leaves out


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
        self.before_update = settings["before_update"]
        self.step = 0
        examples = list(corpus_reader(self.nlp))
        random.Random(0).shuffle(examples)
        self.batches = itertools.cycle(list(settings["batcher"](examples)))

    def run(self, n_steps: int) -> float:
        """RETURNS (float): Words per second over some steps."""
        batches = [list(batch) for batch in itertools.islice(self.batches, n_steps)]
        start = time.perf_counter()
        for batch in batches:
            if self.before_update:
                self.before_update(self.nlp, {"step": self.step, "epoch": 0})
            self.step += 1
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


class StepClock(TrainerCallback):
    """Takes the time after each step."""

    def __init__(self) -> None:
        """Start without steps."""
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


class TrainerPeer:
    """Hugging Face's token-classification recipe: `Trainer`, first piece, `group_by_length`."""

    def __init__(self, corpus: Path, encoder: Path, limit: int, *, bf16: bool = False) -> None:
        """Tokenize the corpus beforehand."""
        tokenizer = AutoTokenizer.from_pretrained(encoder, use_fast=True)
        docs = DocBin().from_disk(corpus / "train.spacy").get_docs(Vocab())
        self.rows = []
        for doc in itertools.islice(docs, limit):
            words = [token.text for token in doc]
            read = tokenizer(words, is_split_into_words=True, truncation=True)
            ids = [None, *read.word_ids()]
            labels = [
                IGNORED if word is None or word == before else word % 9
                for before, word in itertools.pairwise(ids)
            ]
            self.rows.append({**read, "labels": labels})
        self.model = AutoModelForTokenClassification.from_pretrained(encoder, num_labels=9)
        self.collate = DataCollatorForTokenClassification(tokenizer)
        self.bf16 = bf16
        self.seed = 0

    def run(self, n_steps: int) -> float:
        """RETURNS (float): Words per second over some steps, from the end of a first one."""
        self.seed += 1
        clock, n_words = StepClock(), []

        def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
            batch = self.collate(rows)
            n_words.append(int((batch["labels"] != IGNORED).sum()))
            return batch

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                per_device_train_batch_size=BATCH,
                max_steps=n_steps + 1,
                group_by_length=True,
                learning_rate=5e-5,
                bf16=self.bf16,
                use_cpu=True,
                seed=self.seed,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            make: Callable[..., Trainer] = Trainer
            make(
                model=self.model,
                args=arguments,
                train_dataset=self.rows,
                data_collator=collate,
                callbacks=[clock],
            ).train()
        return sum(n_words[1 : n_steps + 1]) / (clock.ends[n_steps] - clock.ends[0])
