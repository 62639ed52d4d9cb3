"""The command `train`: flags over `spacy_bert_ner.train.train.train`."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import typer
from spacy.cli._util import parse_config_overrides
from thinc.api import Config

from ..machine import WAIT_POLICY, has_active_threads
from ..train.ranks import find_own_gpu
from ..train.train import train
from . import _options as options
from ._app import command
from ._errors import show_warning


@command("train", context_settings=options.WITH_OVERRIDES)
def train_cli(
    ctx: typer.Context,
    config: Path = typer.Argument(..., help="The config", exists=True, dir_okay=False),
    output: Path = typer.Option(..., "--output", "-o", help="Output folder"),
    code: options.Code = None,
    gpu_id: options.GpuId = -1,
    resume: bool = typer.Option(
        False, "--resume", help="Go on with the run that stopped, from its checkpoint"
    ),
    auto_resume: bool = typer.Option(
        False,
        "--auto-resume",
        help="Do so if there is a checkpoint with the same config and data, else start anew",
    ),
) -> None:
    """Train as `spacy train` does, but lose nothing when the run stops, and resume it.

    Change settings of the config as there: --training.max_epochs 5
    """
    if gpu_id < 0:
        wait_passively()
    gpu_id = find_own_gpu(gpu_id)
    with options.opened_config(config, ctx.args, code=code, gpu_id=gpu_id) as loaded:
        for name in find_unused_paths(loaded, parse_config_overrides(ctx.args)):
            show_warning(
                f"--{name} changes nothing: no setting of {config} uses ${{{name}}}. Write it "
                f"there, for example as path = ${{{name}}}."
            )
        train(
            loaded,
            output,
            use_gpu=gpu_id,
            resume=resume,
            auto_resume=auto_resume,
            stdout=sys.stdout,
            stderr=sys.stderr,
        )


def wait_passively() -> None:
    """Start the command anew with threads that sleep while they wait, unless told otherwise.

    OpenMP reads its settings when torch is loaded, and spaCy has loaded it before any
    command runs. Threads that don't sleep keep the processors from other processes, and
    next to these, training takes several times as long.
    """
    program = Path(sys.argv[0])  # spacy/__main__.py, or the script `spacy`
    is_command_line = "spacy" in (program.name, program.parent.name)
    if is_command_line and has_active_threads() and os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        environment = {**os.environ, WAIT_POLICY: "PASSIVE"}
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(command[0], command, environment)  # noqa: S606 - the user's own command


def find_unused_paths(config: Config, overrides: Iterable[str]) -> list[str]:
    """Find the paths that were given but that no setting uses.

    config (Config): The config, not interpolated.
    overrides (Iterable[str]): Names of settings, such as "paths.train".
    RETURNS (List[str]): Those of [paths] that would change nothing.
    """
    text = config.to_str(interpolate=False)
    paths = [name for name in overrides if name.startswith("paths.")]
    return [name for name in paths if f"${{{name}}}" not in text]
