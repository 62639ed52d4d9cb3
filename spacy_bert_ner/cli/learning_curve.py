"""The command `learning-curve`: flags over `spacy_bert_ner.review.data_curve`."""

import sys
from pathlib import Path

import typer
from wasabi import msg

from ..targets import check_targets
from . import _options as options
from ._app import command


@command("learning-curve", context_settings=options.WITH_OVERRIDES)
def learning_curve_cli(
    ctx: typer.Context,
    train: Path = typer.Argument(..., help="Training docs (.spacy)", exists=True),
    dev: Path = typer.Argument(..., help="Docs (.spacy) that F1 is measured on", exists=True),
    output: Path = typer.Option(
        None, "--output", "-o", help="Folder of the results; for train.spacy, train.curve"
    ),
    config: Path = typer.Option(
        Path("configs/config.cfg"), "--config", help="Config of the models", exists=True
    ),
    shares: str = typer.Option("12,25,50,100", "--shares", help="Percents of the training docs"),
    seeds: int = typer.Option(2, "--seeds", help="Draws, each with its own training runs"),
    more: int = typer.Option(500, "--more", help="How many more sentences to forecast for"),
    code: options.Code = None,
    gpu_id: options.GpuId = -1,
    force: options.Force = False,
) -> None:
    """Train on growing parts of the data, and forecast what more sentences would bring.

    Change settings of the config as `train` does: --training.max_epochs 2. A run that was
    stopped goes on where it was.
    """
    from ..review.data_curve import CURVE_FILES, measure_curve, write_curve

    output = output or train.with_suffix(".curve")
    files = [output / name for name in CURVE_FILES]
    check_targets(files=files, inputs=[train, dev, config], force=force)
    parts = options.parse_shares(shares)
    with options.opened_config(config, ctx.args, code=code, gpu_id=gpu_id) as loaded:
        points = measure_curve(
            train,
            dev,
            loaded,
            output / "models",
            shares=parts,
            seeds=seeds,
            use_gpu=gpu_id,
            stdout=sys.stdout,
            stderr=sys.stderr,
        )
    summary = write_curve(points, output, more=more, force=force)
    rows = [(f"{n:,}", str(seed), f"{100 * f:.2f}") for n, seed, f in sorted(points)]
    msg.table(rows, header=("sentences", "seed", "F1"), divider=True, aligns=("r", "r", "r"))
    msg.text(summary["text"])
    for path in files:
        if path.exists():
            msg.good(f"{path}")
