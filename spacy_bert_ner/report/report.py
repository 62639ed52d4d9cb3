"""A trained pipeline and gold docs → a folder with metrics.json, report.md and report.html."""

import json
from pathlib import Path

from spacy.language import Language
from spacy.training.corpus import walk_corpus
from spacy.util import load_model

from ..corpus.docbin import GroupCorpus
from ..evaluate.counts import Scores
from ..evaluate.metrics import Evaluation, compare_models, evaluate_model
from ..evaluate.sources import Sources, find_data_report, find_log
from ..files import replaced_files
from ..progress import ShowProgress, hide_progress
from .examples import pick_differences, pick_errors
from .markdown import render_markdown
from .page import render_page
from .pictures import PICTURES, draw_pictures

FILES = (
    "metrics.json",
    "report.md",
    "report.html",
    *(f"{name}{suffix}" for name in PICTURES for suffix in (".svg", ".png")),
)
"""The files that a report can consist of."""


def evaluate(
    model: str | Path,
    data: Path,
    output: Path,
    *,
    compare: str | Path | None = None,
    train: Path | None = None,
    log: Path | None = None,
    data_report: Path | None = None,
    title: str | None = None,
    progress: ShowProgress = hide_progress,
) -> Scores:
    """Evaluate a pipeline, and write its report.

    model (str | Path): Folder or package of the pipeline; any that sets `doc.ents`.
    data (Path): Gold docs, a `.spacy` file.
    output (Path): The folder to write: metrics.json, report.md, report.html and, where
        matplotlib is installed, pictures as PNG and SVG.
    compare (str | Path | None): Another pipeline to compare with.
    train (Path | None): The training data, to separate seen entities from new ones.
    log (Path | None): The log of its training run; `None` for log.jsonl next to the model.
    data_report (Path | None): What the conversion reported; `None` for report.json next to
        the data, if it is about this data.
    title (str | None): What the report calls the model; `None` for the model's own name.
    progress (ShowProgress): Watches the docs.
    RETURNS (Dict[str, Any]): What metrics.json holds.
    RAISES (ValueError): If a file is missing, or there is no doc to evaluate on.
    RAISES (OSError): If there is no such pipeline.
    """
    if not data.exists():
        raise ValueError(f"{data}: no such file, expected gold docs (.spacy). Check the path.")
    for name, path in (("train", train), ("log", log), ("data_report", data_report)):
        if path is not None and not path.exists():
            raise ValueError(f"{path}: no such file. Check the path, or leave out `{name}`.")
    nlp = load_model(model)
    check_gold(nlp, data)
    sources = Sources(
        train,
        log or find_log(nlp.path),
        data_report or find_data_report(data),
    )
    ours = evaluate_model(nlp, model, data, sources, title=title, progress=progress)
    other = None
    if compare is not None:
        other_nlp = load_model(compare)
        other_sources = Sources(train, find_log(other_nlp.path))
        other = evaluate_model(other_nlp, compare, data, other_sources, progress=progress)
    return write_report(ours, output, other=other, log=sources.log)


def check_gold(nlp: Language, data: Path) -> None:
    """Refuse docs of which none says what its entities are.

    nlp (Language): The pipeline, for its vocabulary.
    data (Path): The gold docs.
    RAISES (ValueError): If there are docs, but no annotation to score against.
    """
    docs = GroupCorpus(data).read_docbin(nlp.vocab, walk_corpus(data, ".spacy"))
    n_docs = 0
    for doc in docs:
        if not len(doc) or doc.has_annotation("ENT_IOB"):
            return
        n_docs += 1
    if n_docs:
        raise ValueError(
            f"{data}: none of {n_docs:,} docs is annotated with entities, expected gold docs "
            "(.spacy). Convert annotated data with `python -m spacy bert-ner convert`."
        )


def write_report(
    ours: Evaluation, output: Path, *, other: Evaluation | None = None, log: Path | None = None
) -> Scores:
    """Write metrics.json, report.md, report.html and the pictures.

    ours (Evaluation): The results.
    output (Path): The folder.
    other (Evaluation | None): Results of a second pipeline on the same data.
    log (Path | None): The log of the training run, for the learning curve.
    RETURNS (Dict[str, Any]): What metrics.json holds.
    """
    metrics = {
        **ours.metrics,
        "comparison": other and compare_models(ours, other),
        "compared_with": other and other.metrics,
    }
    lines = ours.views["words"].lines
    differences = other and pick_differences(lines, other.views["words"].lines, ("A", "B"))
    # Not by srsly, which cuts numbers to ten digits.
    text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False)
    with replaced_files(output, force=True) as folder:
        (folder / "metrics.json").write_text(text, encoding="utf8", errors="backslashreplace")
        pictures = draw_pictures(metrics, folder, log=log)
        markdown = render_markdown(metrics, pictures)
        (folder / "report.md").write_text(markdown, encoding="utf8", errors="backslashreplace")
        page = render_page(metrics, pick_errors(lines), pictures, differences=differences)
        (folder / "report.html").write_text(page, encoding="utf8", errors="backslashreplace")
    return metrics
