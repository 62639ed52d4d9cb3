"""The command `find-label-errors`: flags over `spacy_bert_ner.review.find`."""

import sys
from pathlib import Path

import typer
from spacy.cli._util import import_code
from wasabi import msg

from ..files import recover_folder
from ..report.text import format_count, format_interval, format_percent
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_note, show_warning
from ._progress import show_progress


@command("find-label-errors", context_settings=options.WITH_OVERRIDES)
def find_label_errors_cli(
    ctx: typer.Context,
    data: Path = typer.Argument(..., help="Gold docs (.spacy)", exists=True),
    output: Path = typer.Option(
        None,
        "--output",
        "-o",
        help="Folder of the results; for train.spacy, train.review next to it",
    ),
    folds: int = typer.Option(5, "--folds", help="Models to train, each without one part of DATA"),
    config: Path = typer.Option(
        Path("configs/config.cfg"), "--config", help="Config of these models"
    ),
    model: Path = typer.Option(
        None, "--model", help="Train none: a pipeline that did not learn from DATA", exists=True
    ),
    name: str = typer.Option(None, "--name", help="The component, if there are several bert_ner"),
    number: int = typer.Option(
        500, "--number", help="Places on the page and in the exports; candidates.jsonl has all"
    ),
    seed: options.Seed = 0,
    code: options.Code = None,
    gpu_id: options.GpuId = -1,
    force: options.Force = False,
) -> None:
    """Find gold labels that are probably wrong, and estimate the least and the most there are.

    Change settings of the config as `train` does: --training.max_epochs 2. A run that was
    stopped goes on where it was.
    """
    from ..review.find import FINDINGS, find_label_errors, write_findings
    from ..review.folds import train_folds

    output = output or data.with_suffix(".review")
    inputs = [data, *filter(None, [model])]
    check_targets(files=[output / file for file in FINDINGS], inputs=inputs, force=force)
    if model is not None:
        import_code(code)
        options.use_gpu(gpu_id)
        recover_folder(model)
        models = [(model, None)]
    else:
        with options.opened_config(config, ctx.args, code=code, gpu_id=gpu_id) as loaded:
            models = train_folds(
                data,
                loaded,
                output / "folds",
                folds=folds,
                seed=seed,
                use_gpu=gpu_id,
                stdout=sys.stdout,
                stderr=sys.stderr,
            )
    candidates, summary = find_label_errors(data, models, name=name, progress=show_progress)
    write_findings(candidates, summary, output, number=number, force=force)
    rows = [(kind, f"{n:,}") for kind, n in summary["kinds"].items()]
    msg.table(rows, header=("what may be wrong", "places"), divider=True, aligns=("l", "r"))
    wrong, best = summary["wrong_share"], summary["f1_of_a_perfect_model"]
    msg.text(
        f"Estimated share of wrong labels: at least {format_percent(wrong['value'], 1)} % "
        f"({format_interval(wrong['interval'])}), at most "
        f"{format_percent(summary['differing_share'], 1)} %. The lower bound leaves out wrong "
        "labels in hard places, the upper one counts all errors of the models. A perfect model "
        f"would score at most F1 {format_percent(best['value'], 1)} "
        f"({format_interval(best['interval'])}) on such labels."
    )
    if summary["n_not_judged"]:
        n = format_count(summary["n_not_judged"], "entity", "entities")
        show_note(
            f"{n} not judged: no model that did not see them knows their label, or a border "
            "between sentences divides them."
        )
    if new := summary["new_labels"]:
        places = (f"{label} at {format_count(n, 'place')}" for label, n in new.items())
        show_warning(
            f"{data.name} does not have proposed labels: {', '.join(places)}. If it does not "
            "annotate them, these places are right, and fewer labels are wrong than estimated: "
            "give a `model` with the same labels."
        )
    for file in FINDINGS:
        msg.good(f"{output / file}")
