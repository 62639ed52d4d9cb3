"""The command `quantize`: flags over `spacy_bert_ner.package.quantize`."""

from pathlib import Path

import typer
from wasabi import msg

from ..files import recover_folder
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_warning
from ._progress import show_progress


@command("quantize")
def quantize_cli(
    model: Path = typer.Argument(..., help="Folder of the trained pipeline"),
    output: Path = typer.Argument(..., help="Folder of the pipeline with an encoder in int8"),
    dev: Path = typer.Option(
        ..., "--dev", help="Gold docs (.spacy) that were not used in training"
    ),
    max_loss: float = typer.Option(
        0.3, "--max-loss", help="Points of F1 that may be lost; more is refused"
    ),
    force: options.Force = False,
) -> None:
    """Make a pipeline that predicts in int8 with ONNX Runtime, for processors without bfloat16."""
    from ..package.quantize import quantize

    check_targets(folder=output, inputs=[model, dev], force=force)
    recover_folder(model)
    found = quantize(model, output, dev=dev, max_loss=max_loss, progress=show_progress)
    rows = [
        (name, f"{100 * f:.2f}", f"{speed:,.0f}", f"{ms:.1f}")
        for name, f, speed, ms in (
            (str(model), found.f_before, found.speed_before, found.ms_before),
            (str(output), found.f_after, found.speed_after, found.ms_after),
        )
    ]
    header = ("", "F1", "words/s", "ms for one text")
    msg.table(rows, header=header, aligns=("l", "r", "r", "r"), divider=True)
    if found.speed_after < found.speed_before:
        is_quick = found.ms_after < found.ms_before
        show_warning(
            f"On this processor, {model} is faster with many texts ({found.speed_before:,.0f} "
            f"words/s against {found.speed_after:,.0f}), for example because it computes in "
            "bfloat16. Keep it for such processors"
            + (", unless texts come one at a time." if is_quick else ".")
        )
    msg.good(f"{output}")
