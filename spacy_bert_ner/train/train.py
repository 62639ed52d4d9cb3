"""Config → trained pipeline in an output folder; an earlier result is kept."""

import shutil
import sys
from pathlib import Path
from typing import IO

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from thinc.api import Config
from wasabi import Printer

from ..files import keep_copy, replaced_folder
from .logger import LOG_NAME
from .loop import DIR_CHECKPOINT, Training

RESULTS = (DIR_MODEL_BEST, DIR_MODEL_LAST, DIR_CHECKPOINT, LOG_NAME)


def train(
    config: Config,
    output: Path,
    *,
    use_gpu: int = -1,
    resume: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train a pipeline, so that nothing is lost when the training stops.

    Gives the weights that `spacy train` gives. After each evaluation the state of
    the training is saved in output/checkpoint and, if it is the best, the pipeline
    in output/model-best; both are complete whenever the process is killed. The
    pipeline of the last step is in output/model-last at the end.

    config (Config): The config, not interpolated.
    output (Path): The output folder. The results of an earlier training in it are
        moved to output/before-1 and so on.
    use_gpu (int): Number of the GPU; -1 for the CPU.
    resume (bool): Whether to go on from output/checkpoint.
    stdout (IO): Where messages and the log go.
    stderr (IO): Where the progress bar goes.
    RETURNS (Language): The pipeline with the weights of the last step; where the
        optimizer averages weights, their means are what is evaluated and saved.
    RAISES (ValueError): If there is nothing to go on from, or the training has gone
        wrong.
    RAISES (OSError): If a result can't be written.
    """
    msg = Printer(no_print=True)
    checkpoint = output / DIR_CHECKPOINT
    if resume and not checkpoint.exists():
        raise ValueError(
            f"{checkpoint}: not there, expected the checkpoint of a training that was stopped. "
            "A training that has ended leaves none. Train without `--resume`."
        )
    output.mkdir(parents=True, exist_ok=True)
    nlp = init_nlp(config, use_gpu=use_gpu)
    run = Training(nlp, output, use_gpu=use_gpu)
    if resume:
        run.resume()
        stdout.write(msg.info(f"Going on after step {run.progress.step}") + "\n")
    else:
        kept = keep_copy(output, RESULTS)
        if kept is not None:
            stdout.write(msg.warn(f"The results of an earlier training are now in {kept}") + "\n")
    try:
        run.train(stdout, stderr)
    except BaseException as error:
        stdout.write(msg.warn(run.describe_stop(error)) + "\n")
        raise
    with replaced_folder(output / DIR_MODEL_LAST) as folder:
        run.save(folder)
    shutil.rmtree(checkpoint, ignore_errors=True)
    stdout.write(msg.good(f"Saved the best pipeline in {output / DIR_MODEL_BEST}") + "\n")
    return nlp
