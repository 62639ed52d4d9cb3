"""F1 of a trained pipeline on single sentences and on whole documents, by the window.

    python benchmarks/pages.py eng.testa.gz benchmarks/results/pages.md \\
        --model sentences=training/full/model-best --windows 512 --windows 128

FILE marks its documents (-DOCSTART-). The same words and entities are read three times:
each sentence as a text; each document as one text without sentence borders, as when an
application gives a page to a pipeline; and each document with the file's sentence
borders, as if an earlier component had found them. Windows apply to pipelines with our
transformer model; others are scored unchanged.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from wasabi import MarkdownRenderer

from spacy_bert_ner.corpus.reader import make_corpus_reader_v1
from spacy_bert_ner.encode.transformer import MODEL_NAME, get_shim

HEAD = (
    "# F1 on sentences and on pages\n\nWritten by `benchmarks/pages.py`: entity F1 on the corpus's "
    "words, each sentence alone, each document as one text, and each document with its sentence "
    "borders.\n\n"
)
COLUMNS = ("model", "window", "sentences", "documents", "with borders")


def main(
    file: Path,
    output: Path,
    model: Annotated[list[str], typer.Option(help="NAME=FOLDER, once for each model")],
    windows: Annotated[list[int], typer.Option(help="Window in pieces, once for each")],
) -> None:
    """Score each model with each window, and write a table."""
    rows = []
    for name, _, folder in (text.partition("=") for text in model):
        nlp = spacy.load(folder)
        is_ours = nlp.get_pipe("transformer").model.name == MODEL_NAME  # type: ignore[attr-defined]
        for window in windows if is_ours else [0]:
            if is_ours:
                set_window(nlp, window)
            scores = [
                score(nlp, file, "sentence"),
                score(nlp, file, "document"),
                score(nlp, file, "document", has_borders=True),
            ]
            rows.append([name, str(window or "its own"), *(f"{score:.2f}" for score in scores)])
            print(*rows[-1], flush=True)
    table = MarkdownRenderer().table(rows, COLUMNS)
    output.write_text(f"{HEAD}{table}\n", encoding="utf8")


def set_window(nlp: Language, window: int) -> None:
    """Have a loaded pipeline read texts in windows of another size."""
    shim = get_shim(nlp.get_pipe("transformer").model)  # type: ignore[attr-defined]
    checkpoint, _ = shim.require()
    shim.settings = replace(shim.settings, window=window, context=None)
    shim.size, shim.context = shim.settings.find_sizes(
        checkpoint.limit, checkpoint.cutter.n_special
    )


def score(nlp: Language, file: Path, group: str, *, has_borders: bool = False) -> float:
    """RETURNS (float): Entity F1 in percent."""
    reader = make_corpus_reader_v1(str(file), group=group, gold_preproc=True)
    examples = list(reader(nlp))
    if has_borders:
        for eg in examples:
            for token, gold in zip(eg.predicted, eg.reference, strict=True):
                token.is_sent_start = gold.is_sent_start
    return 100 * nlp.evaluate(examples)["ents_f"]


if __name__ == "__main__":
    typer.run(main)
