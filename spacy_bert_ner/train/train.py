"""Config → trained pipeline in an output folder; an earlier result is kept."""

import sys
from pathlib import Path
from typing import IO

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from thinc.api import Config
from wasabi import Printer

from ..files import replaced_folder
from .loop import Training
from .output import (
    DIR_CHECKPOINT,
    find_checkpoint,
    finish_run,
    locked_output,
    recover_output,
    start_run,
)
from .resume import find_obstacle, hash_data

_printer = Printer(no_print=True)


def train(
    config: Config,
    output: Path,
    *,
    use_gpu: int = -1,
    resume: bool = False,
    auto_resume: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train a pipeline, so that nothing is lost when the run stops.

    Gives the weights that `spacy train` gives. After each evaluation the pipeline is
    saved in output/model-best, if it is the best, and then the state of the run in
    output/checkpoint; both are complete whenever the process is killed. The pipeline
    of the last step is in output/model-last at the end.

    If the output folder holds an earlier result, the run works in output/unfinished.
    When it has finished, its results take the place of the earlier ones, which move to
    output/before-1 and so on.

    config (Config): The config, not interpolated.
    output (Path): The output folder. Only one process at a time can train into it.
    use_gpu (int): Number of the GPU; -1 for the CPU.
    resume (bool): Whether to go on from the checkpoint of a run that stopped.
    auto_resume (bool): Whether to do so if there is such a checkpoint, with the same
        config and data; otherwise a new run starts.
    stdout (IO): Where messages and the log go.
    stderr (IO): Where the progress bar goes.
    RETURNS (Language): The pipeline with the weights of the last step; where the
        optimizer averages weights, their means are what is evaluated and saved.
    RAISES (ValueError): If there is nothing to resume, the dev part can't choose a
        model, another process trains into the folder, or the run has gone wrong.
    RAISES (OSError): If a result can't be written.
    """
    with locked_output(output):
        recover_output(output)
        folder = find_checkpoint(output) if resume or auto_resume else None
        if resume and folder is None:
            raise ValueError(
                f"{output / DIR_CHECKPOINT} does not exist, expected the checkpoint of a run that "
                "stopped. A run has one from its first evaluation to its end. Train without "
                "`resume`."
            )
        nlp = init_nlp(config, use_gpu=use_gpu)
        if folder is not None:
            obstacle = find_obstacle(folder / DIR_CHECKPOINT, nlp, hash_data(nlp))
            if obstacle and not auto_resume:
                raise ValueError(
                    f"{obstacle} Put it back as it was, or start again without `resume`."
                )
            if obstacle:
                stdout.write(_printer.warn(f"Starting a new run. {obstacle}") + "\n")
                folder = None
        run = Training(nlp, folder or start_run(output), use_gpu=use_gpu)
        if folder is not None:
            run.resume()
            stdout.write(_printer.info(f"Going on after step {run.progress.step}") + "\n")
        _train(run, output, stdout, stderr)
    return nlp


def _train(run: Training, output: Path, stdout: IO, stderr: IO) -> None:
    if run.output != output:
        text = f"The earlier result in {output} stays until this run, in {run.output}, has finished"
        stdout.write(_printer.info(text) + "\n")
    try:
        run.train(stdout, stderr)
        with replaced_folder(run.output / DIR_MODEL_LAST) as folder:
            run.save(folder)
    except BaseException as error:
        stdout.write(_printer.warn(run.describe_stop(error)) + "\n")
        raise
    kept = finish_run(run.output)
    if kept is not None:
        stdout.write(_printer.info(f"The earlier result is now in {kept}") + "\n")
    stdout.write(_printer.good(f"Saved the best pipeline in {output / DIR_MODEL_BEST}") + "\n")
