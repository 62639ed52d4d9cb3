"""edsnlp: `eds.ner_crf` on `eds.transformer`, trained by its `train` as in its tutorial."""

import math

import edsnlp
import edsnlp.pipes as eds
import torch
from child import run
from confit.utils.random import set_seed
from edsnlp.metrics.ner import NerExactMetric
from edsnlp.training import ScheduledOptimizer, TrainingData
from edsnlp.training import train as train_pipeline
from spacy.tokens import Doc, Span

GOLD = "gold_spans"


def train(sentences, encoder, epochs, seed, folder):
    """Train a CRF over windows of the encoder, without the CNN between them."""
    set_seed(seed)
    nlp = edsnlp.blank("eds")
    nlp.add_pipe(
        eds.ner_crf(
            mode="joint",
            target_span_getter=GOLD,
            span_setter=["ents"],
            infer_span_setter=False,
            embedding=eds.transformer(model=encoder, window=128, stride=96),
        ),
        name="ner",
    )
    docs = []
    for words, spans in sentences:
        doc = Doc(nlp.vocab, words)
        doc.spans[GOLD] = [Span(doc, start, end, label=label) for start, end, label in spans]
        docs.append(doc)
    n_steps = epochs * math.ceil(len(docs) / 32)
    warm = {"@schedules": "linear", "warmup_rate": 0.1, "start_value": 0}
    train_pipeline(
        nlp=nlp,
        max_steps=n_steps,
        validation_interval=n_steps,
        train_data=TrainingData(
            data=edsnlp.data.from_iterable(docs),
            batch_size="32 docs",
            pipe_names=["ner"],
            shuffle="dataset",
        ),
        val_data=edsnlp.data.from_iterable(docs[:8]),
        scorer={"ner": NerExactMetric(span_getter=GOLD)},
        optimizer=ScheduledOptimizer(
            optim=torch.optim.AdamW,
            module=nlp,
            total_steps=n_steps,
            groups={
                "ner[.]embedding": {"lr": {**warm, "max_value": 2e-4}},
                "": {"lr": {**warm, "start_value": 1e-3, "max_value": 1e-3}},
            },
        ),
        grad_max_norm=1.0,
        output_dir=str(folder),
        seed=seed,
        num_workers=0,
        cpu=True,
    )


def load(folder):
    """Load the last weights."""
    nlp = edsnlp.load(str(folder / "model-last"))

    def read(texts):
        for _ in nlp.pipe(texts):
            pass

    def find(sentences):
        docs = nlp.pipe([Doc(nlp.vocab, words) for words in sentences])
        return [[[e.start, e.end, e.label_] for e in doc.ents] for doc in docs]

    return read, find


if __name__ == "__main__":
    run(train, load)
