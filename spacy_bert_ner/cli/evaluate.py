"""The command `evaluate`: flags over `spacy_bert_ner.report.report.evaluate`."""

from pathlib import Path

import typer

from ..files import recover_folder
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_warning
from ._progress import show_progress
from ._show import show_scores


@command("evaluate")
def evaluate_cli(
    model: str = typer.Argument(..., help="Folder or package of the trained pipeline"),
    data: Path = typer.Argument(..., help="Gold docs (.spacy) that were not used in training"),
    output: Path = typer.Option(..., "--output", help="Folder for metrics.json and the report"),
    compare: str = typer.Option(None, "--compare", help="Another pipeline to compare with"),
    train: Path = typer.Option(
        None, "--train", help="Training data, to separate seen entities from new ones"
    ),
    log: Path = typer.Option(
        None, "--log", help="Training log; by default log.jsonl next to the model"
    ),
    data_report: Path = typer.Option(
        None, "--data-report", help="report.json of the conversion; by default next to the data"
    ),
    title: str = typer.Option(None, "--title", help="What the report calls the model"),
    fallback: Path = typer.Option(None, "--fallback", help="Gold docs to use if DATA is missing"),
    gpu_id: options.GpuId = -1,
    force: options.Force = False,
) -> None:
    """Score a trained pipeline, and write one report with every number."""
    from ..report.report import FILES, evaluate

    if fallback is not None and not data.exists():
        show_warning(f"{data} does not exist: scoring on {fallback}.")
        data = fallback
    inputs = [path for path in (model, data, compare, train, log, data_report) if path]
    check_targets(files=[output / name for name in FILES], inputs=inputs, force=force)
    recover_folder(Path(model))
    options.use_gpu(gpu_id)
    metrics = evaluate(
        model,
        data,
        output,
        compare=compare,
        train=train,
        log=log,
        data_report=data_report,
        title=title,
        progress=show_progress,
    )
    show_scores(metrics, output)
