"""Size, load time and F1 of a packaged model: full and half precision, and the stock pipeline.

python benchmarks/release.py MODEL TEST.spacy ENCODER [--rounds 7]
"""

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from wasabi import MarkdownRenderer

import spacy_bert_ner
from spacy_bert_ner.manifest import write_manifest
from spacy_bert_ner.package.half import halve_weights

ROOT = Path(__file__).parent.parent


def main(
    model: Path,
    corpus: Path,
    encoder: Path,
    output: Path = ROOT / "benchmarks/results/release.md",
    *,
    rounds: int = 7,
) -> None:
    """Measure in one process, the pipelines taking turns, and write a table."""
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    with tempfile.TemporaryDirectory() as tmp:
        folders = make_folders(model, encoder, Path(tmp))
        archive = Path(tmp) / "z.zip"
        sizes = {name: measure_zip(folder, archive) for name, folder in folders.items()}
        seconds = measure_loading(folders, rounds)
        pipelines = [spacy.load(folders[name]) for name in ("full", "half")]
        gold = list(DocBin().from_disk(corpus).get_docs(pipelines[0].vocab))
        found = [annotate(nlp, gold) for nlp in pipelines]
    scores = [100 * score for score, _ in found]
    n_same = sum(one == other for one, other in zip(found[0][1], found[1][1], strict=True))
    rows = [
        "# A packaged model",
        f"`python {' '.join(sys.argv)}`, {time.strftime('%Y-%m-%d', time.gmtime())}, "
        f"{platform.machine()}, torch {torch.__version__}, {rounds} rounds, the pipelines in turn.",
        MarkdownRenderer().table(
            [
                (
                    name,
                    f"{sizes[name.partition(',')[0]] / 1e6:.1f}",
                    f"{statistics.median(times):.3f}",
                    f"{min(times):.3f}",
                )
                for name, times in seconds.items()
            ],
            ("pipeline", "zipped as in a wheel, MB", "load, median s", "lowest s"),
            ("l", "r", "r", "r"),
        ),
        f"F1 on {len(gold):,} docs of {corpus.name}, on the corpus's words: {scores[0]:.3f} in "
        f"full precision, {scores[1]:.3f} stored in half, {scores[1] - scores[0]:+.3f}. "
        f"{n_same:,} docs have the same entities.",
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n\n".join(rows) + "\n", encoding="utf8")
    print(output.read_text(encoding="utf8"))


def make_folders(model: Path, encoder: Path, tmp: Path) -> dict[str, Path]:
    """Make the pipelines: the model, the same in half precision, and the stock one."""
    folders = {name: tmp / name for name in ("full", "half", "stock")}
    for name in ("full", "half"):
        shutil.copytree(model, folders[name])
    halve_weights(folders["half"])
    for name in ("full", "half"):
        write_manifest(folders[name])
    config = load_config(
        ROOT / "configs/stock.cfg", overrides={"paths.encoder": str(encoder)}, interpolate=False
    )
    stock = load_model_from_config(config, auto_fill=True)
    # Its weights are not trained: that changes neither its size nor how long it loads.
    doc = stock.make_doc("Alex lives in London")
    example = Example.from_dict(doc, {"entities": [(0, 4, "per"), (14, 20, "geo")]})
    for _, pipe in stock.pipeline:
        if hasattr(pipe, "initialize"):
            pipe.initialize([example].copy, nlp=stock)
    stock.to_disk(folders["stock"])
    return folders


def measure_zip(folder: Path, path: Path) -> int:
    """RETURNS (int): Bytes of the folder as a wheel packs it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for part in sorted(folder.rglob("*")):
            file.write(part, part.relative_to(folder))
    return path.stat().st_size


def measure_loading(folders: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """RETURNS (Dict[str, List[float]]): Seconds of each loading, after one to warm up."""
    seconds: dict[str, list[float]] = {}
    for i in range(rounds + 1):
        for name, folder in folders.items():
            for how, load in ((name, spacy.load), (f"{name}, files checked", spacy_bert_ner.load)):
                if how.startswith("stock,"):
                    continue
                start = time.perf_counter()
                load(folder)
                if i:
                    seconds.setdefault(how, []).append(time.perf_counter() - start)
    return seconds


def annotate(nlp: Language, gold: list) -> tuple[float, list]:
    """RETURNS (Tuple[float, List]): F1, and the entities of each doc."""
    docs = [copy_words(nlp, doc) for doc in gold]
    docs = list(nlp.pipe(docs))
    examples = [Example(doc, reference) for doc, reference in zip(docs, gold, strict=True)]
    score = spacy.scorer.get_ner_prf(examples)["ents_f"]
    return score, [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]


def copy_words(nlp: Language, doc: Doc) -> Doc:
    """RETURNS (Doc): The same words and blanks, and nothing else."""
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(nlp.vocab, words=[token.text for token in doc], spaces=spaces)


if __name__ == "__main__":
    typer.run(main)
