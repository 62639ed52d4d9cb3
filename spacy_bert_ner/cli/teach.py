"""The command `teach`: flags over `spacy_bert_ner.teach.teach.train_student`."""

from pathlib import Path

import spacy
import typer

from ..teach.targets import Teacher
from ..teach.teach import train_student
from . import _options as options
from ._app import command
from ._progress import show_progress


@command("teach", context_settings=options.WITH_OVERRIDES)
def teach_cli(
    ctx: typer.Context,
    teachers: list[str] = typer.Argument(..., help="Pipelines: packages or folders"),
    config: Path = typer.Option(
        ..., "--config", "-c", help="The student's config", exists=True, dir_okay=False
    ),
    output: Path = typer.Option(..., "--output", "-o", help="Output folder"),
    train: Path = typer.Option(None, "--train", help="Gold docs (.spacy)", exists=True),
    texts: list[Path] = typer.Option(
        [], "--texts", help="Unlabelled texts: a file, folder or glob; may be repeated"
    ),
    gold_weight: float = typer.Option(
        0.5,
        "--gold-weight",
        help="Of the gold annotation; the teachers have the rest",
        min=0,
        max=1,
    ),
    agreement: float = typer.Option(
        0.0, "--agreement", help="Leave out texts on which fewer teachers agree", min=0, max=1
    ),
    gpu_id: options.GpuId = -1,
) -> None:
    """Train a pipeline on what others believe of gold docs and unlabelled texts.

    Change settings of the config as in train: --components.transformer.model.layers 3
    """
    # Click puts settings of the config behind the teachers.
    n_teachers = next((i for i, x in enumerate(teachers) if x.startswith("--")), len(teachers))
    names = teachers[:n_teachers]
    overrides = [*teachers[n_teachers:], *ctx.args]
    with options.opened_config(config, overrides, gpu_id=gpu_id) as loaded:
        train_student(
            [Teacher(spacy.load(name), name) for name in names],
            loaded,
            output,
            gold=train,
            texts=texts,
            gold_weight=gold_weight,
            agreement=agreement,
            use_gpu=gpu_id,
            progress=show_progress,
        )
