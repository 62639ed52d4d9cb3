"""Score a trained pipeline on a corpus, on its words and on raw text."""

import json
from pathlib import Path
from typing import Any

import spacy
import typer
from wasabi import msg

from spacy_bert_ner.score import score_corpus


def main(model: Path, corpus: Path, output: Path) -> None:
    """Write the scores as JSON and print them."""
    nlp = spacy.load(model)
    scores = {
        "words": score_corpus(nlp, corpus, gold_words=True),
        "text": score_corpus(nlp, corpus, gold_words=False),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"model": str(model), "corpus": str(corpus), **scores}, indent=2))
    for view, title in (("words", "on the corpus's words"), ("text", "on raw text")):
        print_scores(scores[view], f"{corpus}, {title}: {scores[view]['n_docs']:,} docs")


def print_scores(scores: dict[str, Any], title: str) -> None:
    """Print precision, recall and F of all entities and of each label, in percent."""
    rows = [("all", *(format_percent(scores[f"ents_{key}"]) for key in "prf"))]
    for label, prf in sorted((scores["ents_per_type"] or {}).items()):
        rows.append((label, *(format_percent(prf[key]) for key in "prf")))
    msg.divider(title)
    msg.table(rows, header=("", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True)


def format_percent(score: float | None) -> str:
    """Write a share as percent with two digits, a missing one as a dash."""
    return "–" if score is None else f"{100 * score:.2f}"


if __name__ == "__main__":
    typer.run(main)
