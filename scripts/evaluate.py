"""Score a trained pipeline on a corpus and write its report."""

from pathlib import Path

import spacy
import typer
from wasabi import msg

from spacy_bert_ner.cli._show import show_scores
from spacy_bert_ner.report.report import evaluate


def main(
    model: Path,
    corpus: Path,
    output: Path,
    *,
    compare: Path | None = None,
    train: Path | None = None,
    title: str | None = None,
    gpu_id: int = -1,
) -> None:
    """Write the report and print the scores; without a test part, those on dev."""
    if not corpus.exists():
        dev = corpus.with_name("dev.spacy")
        msg.warn(f"{corpus}: no such part. Scoring on {dev}, by which the best model was chosen.")
        corpus = dev
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    metrics = evaluate(model, corpus, output, compare=compare, train=train, title=title)
    show_scores(metrics, output)


if __name__ == "__main__":
    typer.run(main)
