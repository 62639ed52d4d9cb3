"""What does a trained pipeline lose when it learns a label from texts that annotate only that one?

python benchmarks/grow.py CORPUS WORK --label tim --number 500

A pipeline is trained on CORPUS/train.spacy without the label. Then it learns the label from other
sentences, in which nothing else is annotated, in three ways: plain (the rest counts as outside),
marked (the rest counts as unknown), and marked with `nlp.rehearse` on the same texts.
Each way is scored on CORPUS/test.spacy: the old labels, and the new one.
"""

import json
import random
from pathlib import Path

import spacy
import typer
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, minibatch

from spacy_bert_ner.convert.annotated import mark_annotated
from spacy_bert_ner.corpus.docbin import read_docs
from spacy_bert_ner.optimize.optimizers import make_adamw_v1
from spacy_bert_ner.review.folds import train_part

WAYS = ("plain", "marked", "marked and rehearsed")


def keep(doc: Doc, labels: set[str]) -> Doc:
    """RETURNS (Doc): A copy with the entities of some labels."""
    doc = doc.copy()
    doc.ents = [ent for ent in doc.ents if ent.label_ in labels]
    return doc


def score(nlp, docs: list[Doc], labels: set[str]) -> float:
    """RETURNS (float): F1 of some labels in percent, on the words of gold docs."""
    found = nlp.pipe(
        Doc(nlp.vocab, [t.text for t in doc], [bool(t.whitespace_) for t in doc]) for doc in docs
    )
    pairs = [
        tuple({(e.start, e.end, e.label_) for e in x.ents if e.label_ in labels} for x in pair)
        for pair in zip(docs, found, strict=True)
    ]
    n_right, n_all = sum(len(a & b) for a, b in pairs), sum(len(a) + len(b) for a, b in pairs)
    return 200 * n_right / n_all


def grow(
    folder: Path, docs: list[Doc], label: str, way: str, *, epochs: int, rate: float, seed: int
):
    """Teach a pipeline a label; RETURNS (Language): The pipeline."""
    nlp = spacy.load(folder)
    optimizer = nlp.resume_training(sgd=make_adamw_v1(rate, layer_decay=0.8, head_factor=10.0))
    nlp.get_pipe("ner").add_label(label)
    rng = random.Random(seed)
    for _ in range(epochs):
        rng.shuffle(docs)
        for batch in minibatch(docs, 32):
            gold = [doc if way == "plain" else mark_annotated(doc.copy(), [label]) for doc in batch]
            blank = [
                Doc(nlp.vocab, [t.text for t in doc], [bool(t.whitespace_) for t in doc])
                for doc in gold
            ]
            nlp.update(
                [Example(x, y) for x, y in zip(blank, gold, strict=True)], sgd=optimizer, drop=0.1
            )
            if way == "marked and rehearsed":
                nlp.rehearse([Example(x.copy(), x.copy()) for x in blank], sgd=optimizer)
            optimizer.step_schedules()
    return nlp


def main(
    corpus: Path,
    work: Path,
    encoder: Path = Path("assets/encoder"),
    config: Path = Path("configs/config.cfg"),
    label: str = "tim",
    number: int = 500,
    epochs: int = 3,
    rate: float = 1e-4,
    seed: int = 0,
) -> None:
    """Train, grow in three ways, and score."""
    vocab = spacy.blank("en").vocab
    train, dev, test = (
        list(read_docs(corpus / f"{x}.spacy", vocab)) for x in ("train", "dev", "test")
    )
    old = {ent.label_ for doc in train for ent in doc.ents} - {label}
    new, base = train[:number], train[number:]
    overrides = {"paths.encoder": str(encoder), "system.seed": seed}
    loaded = load_config(config, overrides=overrides, interpolate=False)
    parts = {"train": [keep(x, old) for x in base], "dev": [keep(x, old) for x in dev]}
    folder = train_part(loaded, parts, work / f"base-{seed}")
    result = {"before": {"old": score(spacy.load(folder), test, old)}}
    print(result, flush=True)
    for way in WAYS:
        docs = [keep(doc, {label}) for doc in new]
        nlp = grow(folder, docs, label, way, epochs=epochs, rate=rate, seed=seed)
        result[way] = {"old": score(nlp, test, old), "new": score(nlp, test, {label})}
        print(way, result[way], flush=True)
    (work / f"grow-{seed}.json").write_text(json.dumps(result, indent=2), "utf8")


if __name__ == "__main__":
    typer.run(main)
