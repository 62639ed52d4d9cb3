"""An initialized pipeline → a training run, saved at each evaluation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
from .interrupts import deferred_interrupts
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
        # False in the middle of a step, and while an evaluation is saved.
        self.is_whole = True
        self._is_exhausted = False  # whether all batches were taken
        self._start = perf_counter()

    def resume(self) -> None:
        """Go back to the checkpoint."""
        self.progress, self.random_state = load_checkpoint(
            self.output / DIR_CHECKPOINT, self.nlp, self.optimizer
        )
        self.saved_step = self.progress.step
        self.saved_best = find_best(self.progress.results)

    def train(self, stdout: IO, stderr: IO) -> None:
        """Run all remaining steps, with evaluations, logs and checkpoints.

        Ctrl-C and SIGTERM end it between two steps, or during an evaluation.

        stdout (IO): The stream for the log.
        stderr (IO): The stream for the progress bar.
        """
        check_dev(self.dev_corpus(self.nlp), self.settings)
        with self.nlp.select_pipes(disable=self.settings["frozen_components"]):
            log_step, finish_log = self.settings["logger"](self.nlp, stdout, stderr)
        self._start = perf_counter() - self.progress.seconds
        batches = self._iterate_batches()
        try:
            # The logger counts the steps since the last evaluation; a resumed run has made some.
            for _ in range(self.progress.step - self._evaluated_step - self._is_due()):
                log_step(None)
            while not self._is_over():
                if self._is_due():
                    self._save_evaluation(self._evaluate(), log_step)
                elif self._take_step(batches) and not self._is_due():
                    log_step(None)
        finally:
            finish_log()

    @property
    def _evaluated_step(self) -> int:
        return self.progress.results[-1][1] if self.progress.results else -1

    def _is_due(self) -> bool:
        step, settings = self.progress.step, self.settings
        if step == self._evaluated_step:
            return False
        # The model has learned almost nothing at step 0, so it is not evaluated.
        is_regular = step > 0 and step % settings["eval_frequency"] == 0
        return is_regular or self._is_exhausted or 0 < settings["max_steps"] <= step

    def _is_over(self) -> bool:
        step, settings = self.progress.step, self.settings
        if step != self._evaluated_step:
            return False
        best = find_best(self.progress.results)
        has_lost_patience = settings["patience"] and best and step - best[1] >= settings["patience"]
        return self._is_exhausted or bool(has_lost_patience) or 0 < settings["max_steps"] <= step

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with deferred_interrupts():
            self.is_whole = False
            yield
            self.is_whole = True

    def _take_step(self, batches: Iterator[tuple[int, list]]) -> bool:
        progress = self.progress
        with self._changing():
            found = next(batches, None)
            if found is None:
                self._is_exhausted = True
                return False
            epoch, batch = found
            progress.step += 1
            self._update(batch, epoch, progress.losses)
            progress.words += sum(len(eg) for eg in batch)
            progress.seconds = perf_counter() - self._start
        return True

    def _evaluate(self) -> dict[str, Any]:
        progress, averages = self.progress, self.optimizer.averages
        with self.nlp.use_params(averages) if averages else nullcontext():
            score, scores = create_evaluation_callback(
                self.nlp, self.dev_corpus, self.settings["score_weights"]
            )()
        progress.seconds = perf_counter() - self._start
        return {
            "epoch": progress.epoch - self._is_exhausted,
            "step": progress.step,
            "score": score,
            "other_scores": scores,
            "losses": progress.losses,
            "checkpoints": progress.results,
            "seconds": int(progress.seconds),
            "words": progress.words,
            "output_path": str(self.output / DIR_MODEL_LAST),
        }

    def _save_evaluation(self, info: dict[str, Any], log_step: Callable) -> None:
        with self._changing():
            self.progress.results.append((info["score"], info["step"]))
            self.progress.losses = {}
            with self.nlp.select_pipes(disable=self.settings["frozen_components"]):
                update_meta(self.settings, self.nlp, info)
            # The logger stops a diverged run before its weights are saved.
            log_step(info)
            self._save_results()

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

    def _save_results(self) -> None:
        best = find_best(self.progress.results)
        if best is not None and best[1] == self.progress.step:
            with replaced_folder(self.output / DIR_MODEL_BEST, record=MANIFEST) as folder:
                self.save(folder)
            self.saved_best = best
        self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        with replaced_folder(self.output / DIR_CHECKPOINT, record=MANIFEST) as folder:
            save_checkpoint(folder, self.nlp, self.optimizer, self.progress, data=self.data)
        self.saved_step = self.progress.step

    def save_interrupted(self) -> None:
        """Save the checkpoint of a run that was interrupted, if its last step is complete."""
        if self.is_whole and self.progress.step not in (-1, self.saved_step):
            self._save_checkpoint()

    def describe_stop(self, error: BaseException) -> str:
        """Describe where the training run stopped and what is saved.

        error (BaseException): What stopped it.
        RETURNS (str): The message.
        """
        parts = [f"Stopped by {type(error).__name__} after step {self.progress.step}"]
        if self.saved_best is not None:
            score, step = self.saved_best
            place = self.output / DIR_MODEL_BEST
            parts.append(f"The best score was {score:.4f} at step {step}, saved in {place}")
        if self.saved_step is not None and not isinstance(error, DivergedError):
            parts.append(f"With `resume`, the run continues after step {self.saved_step}")
        if len(parts) == 1:
            parts.append(f"Nothing is saved in {self.output} yet")
        return ". ".join(parts)
