"""Config → trained pipeline in an output folder, which keeps earlier results."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from thinc.api import Config
from wasabi import Printer

from ..corpus.docbin import named_damage
from ..files import replaced_folder
from ..manifest import MANIFEST
from .log import describe_stop
from .loop import Training
from .output import (
    DIR_CHECKPOINT,
    find_checkpoint,
    finish_run,
    locked_output,
    recover_output,
    start_run,
)
from .ranks import connected_ranks
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
    """Train a pipeline, and lose nothing if the run stops early.

    The weights are the same as those of `spacy train`. After each evaluation, the pipeline
    is saved to output/model-best if it is the best so far, and the state of the run to
    output/checkpoint. Both are complete even if the process is killed. Ctrl-C also saves
    the state, after the current step. At the end, the pipeline of the last step is saved to
    output/model-last.

    If the output folder holds an earlier result, the run works in output/unfinished. When
    it has finished, its results replace the earlier ones, which move to output/before-1
    and so on.

    If `torchrun` has started several processes, each learns from its part of every batch, so
    that all take the same steps. The first one evaluates, logs and saves.

    config (Config): The config, not interpolated.
    output (Path): The output folder. Only one training run at a time can write to it.
    use_gpu (int): The number of the GPU; -1 for the CPU.
    resume (bool): Whether to continue from the checkpoint of a run that stopped.
    auto_resume (bool): Whether to continue if there is a checkpoint with the same config
        and data, and to start a new run otherwise.
    stdout (IO): The stream for messages and the log.
    stderr (IO): The stream for the progress bar.
    RETURNS (Language): The pipeline with the weights of the last step. If the optimizer
        averages weights, the averages are evaluated and saved instead.
    RAISES (ValueError): If there is nothing to resume, the dev data cannot choose a model,
        another training run writes to the folder, or the run has diverged.
    RAISES (OSError): If a result cannot be written.
    """
    with connected_ranks(use_gpu=use_gpu) as ranks, named_damage(config), ExitStack() as stack:
        if not ranks.is_first:
            folder = ranks.share()
            nlp = init_nlp(config, use_gpu=use_gpu)
            run = Training(nlp, folder or output, use_gpu=use_gpu, ranks=ranks)
            if folder is not None:
                run.resume()
            run.train(stdout, stderr)
            return nlp
        stack.enter_context(locked_output(output))
        recover_output(output)
        folder = find_checkpoint(output) if resume or auto_resume else None
        if resume and folder is None:
            raise ValueError(
                f"{output / DIR_CHECKPOINT} does not exist, expected the checkpoint of a run that "
                "stopped. A run has one from its first evaluation, or from Ctrl-C, until it ends. "
                "Train without `resume`."
            )
        nlp = init_nlp(config, use_gpu=use_gpu)
        if folder is not None:
            obstacle = find_obstacle(folder / DIR_CHECKPOINT, nlp, hash_data(nlp))
            if obstacle and not auto_resume:
                raise ValueError(f"{obstacle} Restore it, or start a new run without `resume`.")
            if obstacle:
                stdout.write(_printer.warn(f"Starting a new run. {obstacle}") + "\n")
                folder = None
        ranks.share(folder)
        run = Training(nlp, folder or start_run(output), use_gpu=use_gpu, ranks=ranks)
        if folder is not None:
            run.resume()
            stdout.write(_printer.info(f"Continuing after step {run.progress.step}") + "\n")
        _train(run, output, stdout, stderr)
    return nlp


def _train(run: Training, output: Path, stdout: IO, stderr: IO) -> None:
    if run.output != output:
        text = f"The earlier result in {output} stays until this run, in {run.output}, has finished"
        stdout.write(_printer.info(text) + "\n")
    try:
        run.train(stdout, stderr)
        with replaced_folder(run.output / DIR_MODEL_LAST, record=MANIFEST) as folder:
            run.save(folder)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):  # or SIGTERM, as the command line raises it
            run.save_interrupted()
        stop = describe_stop(
            error, run.output, run.progress.step, best=run.saved_best, saved=run.saved_step
        )
        stdout.write(_printer.warn(stop) + "\n")
        raise
    kept = finish_run(run.output)
    if kept is not None:
        text = f"The earlier result is now in {kept}. Remove it when you no longer need it"
        stdout.write(_printer.info(text) + "\n")
    stdout.write(_printer.good(f"Saved the best pipeline in {output / DIR_MODEL_BEST}") + "\n")
