"""An initialized pipeline → a training run, saved at each evaluation."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    create_before_to_disk_callback,
    create_evaluation_callback,
    subdivide_batch,
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import fix_random_seed, set_gpu_allocator

from ..files import replaced_folder
from ..manifest import MANIFEST, write_manifest
from ..optimize.joint_optimizer import JointOptimizer
from .check_dev import check_dev
from .epochs import Progress, iterate_batches
from .log import Best, DivergedError, find_best
from .output import DIR_CHECKPOINT
from .resume import hash_data, load_checkpoint, save_checkpoint


class Training:
    """The state of a training run between two steps."""

    def __init__(self, nlp: Language, output: Path, *, use_gpu: int = -1) -> None:
        """Resolve the section [training] of the pipeline's config.

        nlp (Language): The initialized pipeline.
        output (Path): The folder for results.
        use_gpu (int): The number of the GPU; -1 for the CPU.
        """
        self.nlp = nlp
        self.output = output
        config = nlp.config.interpolate()
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        if use_gpu >= 0 and config["training"]["gpu_allocator"]:
            set_gpu_allocator(config["training"]["gpu_allocator"])
        self.settings: dict[str, Any] = registry.resolve(
            config["training"], schema=ConfigSchemaTraining
        )
        names = [self.settings["train_corpus"], self.settings["dev_corpus"]]
        self.train_corpus, self.dev_corpus = resolve_dot_names(config, names)
        self.optimizer = self.settings["optimizer"]
        self.data = hash_data(nlp)
        self.progress = Progress()
        # The score and step of the saved model-best, and the step of the saved checkpoint.
        self.saved_best: Best | None = None
        self.saved_step: int | None = None
        self.random_state: dict[str, Any] | None = None

    def resume(self) -> None:
        """Go back to the checkpoint."""
        self.progress, self.random_state = load_checkpoint(
            self.output / DIR_CHECKPOINT, self.nlp, self.optimizer
        )
        self.saved_step = self.progress.step
        self.saved_best = find_best(self.progress.results)

    def train(self, stdout: IO, stderr: IO) -> None:
        """Run all remaining steps, with evaluations, logs and checkpoints.

        stdout (IO): The stream for the log.
        stderr (IO): The stream for the progress bar.
        """
        check_dev(self.dev_corpus(self.nlp), self.settings)
        frozen = self.settings["frozen_components"]
        with self.nlp.select_pipes(disable=frozen):
            log_step, finish_log = self.settings["logger"](self.nlp, stdout, stderr)
        try:
            for info in self.iterate_steps():
                if info is None:
                    log_step(None)
                    continue
                with self.nlp.select_pipes(disable=frozen):
                    update_meta(self.settings, self.nlp, info)
                info["output_path"] = str(self.output / DIR_MODEL_LAST)
                # The logger stops a diverged run before its weights are saved.
                log_step(info)
                self.save_results()
        finally:
            finish_log()

    def iterate_steps(self) -> Iterator[dict[str, Any] | None]:
        """Run the steps one by one.

        YIELDS (Dict[str, Any] | None): The report for loggers after an evaluation; `None`
            after other steps.
        """
        progress = self.progress
        start = perf_counter() - progress.seconds
        losses: dict[str, float] = {}
        if self._is_over():  # the checkpoint was written at the last evaluation
            return
        for epoch, batch in self._iterate_batches():
            progress.step += 1
            self._update(batch, epoch, losses)
            progress.words += sum(len(eg) for eg in batch)
            is_last = 0 < self.settings["max_steps"] <= progress.step
            # The model has learned almost nothing at step 0, so it is not evaluated.
            is_due = progress.step > 0 and progress.step % self.settings["eval_frequency"] == 0
            if not is_due and not is_last:
                yield None
                continue
            yield self._evaluate(epoch, losses, start)
            losses = {}
            if self._is_over():
                return
        if losses:
            yield self._evaluate(progress.epoch - 1, losses, start)

    def _evaluate(self, epoch: int, losses: dict[str, float], start: float) -> dict[str, Any]:
        averages = self.optimizer.averages
        with self.nlp.use_params(averages) if averages else nullcontext():
            score, scores = create_evaluation_callback(
                self.nlp, self.dev_corpus, self.settings["score_weights"]
            )()
        self.progress.seconds = perf_counter() - start
        self.progress.results.append((score, self.progress.step))
        return {
            "epoch": epoch,
            "step": self.progress.step,
            "score": score,
            "other_scores": scores,
            "losses": losses,
            "checkpoints": self.progress.results,
            "seconds": int(self.progress.seconds),
            "words": self.progress.words,
        }

    def _iterate_batches(self) -> Iterator[tuple[int, list]]:
        return iterate_batches(
            partial(self.train_corpus, self.nlp),
            self.settings["batcher"],
            max_epochs=self.settings["max_epochs"],
            progress=self.progress,
            random_state=self.random_state,
        )

    def _update(self, batch: list, epoch: int, losses: dict[str, float]) -> None:
        settings, nlp = self.settings, self.nlp
        if settings["before_update"]:
            settings["before_update"](nlp, {"step": self.progress.step, "epoch": epoch})
        parts = list(subdivide_batch(batch, settings["accumulate_gradient"]))
        if isinstance(self.optimizer, JointOptimizer):
            self.optimizer.n_parts = len(parts)
        for part in parts:
            nlp.update(
                part,
                drop=settings["dropout"],
                losses=losses,
                sgd=False,  # type: ignore[arg-type]
                exclude=settings["frozen_components"],
                annotates=settings["annotating_components"],
            )
        for name, proc in nlp.pipeline:
            is_trained = name not in settings["frozen_components"]
            is_trained &= getattr(proc, "is_trainable", False)
            if is_trained and getattr(proc, "model", None) not in (True, False, None):
                proc.finish_update(self.optimizer)  # type: ignore[attr-defined]
        self.optimizer.step_schedules()

    def _is_over(self) -> bool:
        step, settings = self.progress.step, self.settings
        best = find_best(self.progress.results)
        has_lost_patience = settings["patience"] and best and step - best[1] >= settings["patience"]
        return bool(has_lost_patience) or 0 < settings["max_steps"] <= step

    def save(self, folder: Path) -> None:
        """Save the pipeline to a folder, with a manifest of its files.

        folder (Path): The folder.
        """
        averages = self.optimizer.averages
        with self.nlp.use_params(averages) if averages else nullcontext():
            create_before_to_disk_callback(self.settings["before_to_disk"])(self.nlp).to_disk(
                folder
            )
        write_manifest(folder)

    def save_results(self) -> None:
        """Save the checkpoint, and the pipeline if this is the best evaluation."""
        best = find_best(self.progress.results)
        if best is not None and best[1] == self.progress.step:
            with replaced_folder(self.output / DIR_MODEL_BEST, record=MANIFEST) as folder:
                self.save(folder)
            self.saved_best = best
        with replaced_folder(self.output / DIR_CHECKPOINT, record=MANIFEST) as folder:
            save_checkpoint(folder, self.nlp, self.optimizer, self.progress, data=self.data)
        self.saved_step = self.progress.step

    def describe_stop(self, error: BaseException) -> str:
        """Describe where the training run stopped and what is saved.

        error (BaseException): What stopped it.
        RETURNS (str): The message.
        """
        text = f"Stopped by {type(error).__name__} after step {self.progress.step}. "
        if self.saved_best is None:
            return text + f"Nothing is saved in {self.output} yet"
        score, step = self.saved_best
        text += f"The best score was {score:.4f} at step {step}, saved in "
        text += f"{self.output / DIR_MODEL_BEST}"
        if self.saved_step is None or isinstance(error, DivergedError):
            return text
        return text + f". With `resume`, the run continues after step {self.saved_step}"
