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
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import fix_random_seed, set_gpu_allocator

from ..files import replaced_folder
from ..manifest import MANIFEST, write_manifest
from ..optimize.joint_optimizer import JointOptimizer
from ..ranges import check_range
from .check_dev import check_dev
from .epochs import Progress, iterate_batches
from .interrupts import deferred_interrupts
from .log import Best, find_best
from .output import DIR_CHECKPOINT
from .ranks import Ranks
from .resume import hash_data, load_checkpoint, save_checkpoint
from .step import update_weights


class Training:
    """The state of a training run between two steps."""

    def __init__(
        self, nlp: Language, output: Path, *, use_gpu: int = -1, ranks: Ranks | None = None
    ) -> None:
        """Resolve the section [training] of the pipeline's config.

        nlp (Language): The initialized pipeline.
        output (Path): The folder for results.
        use_gpu (int): The number of the GPU; -1 for the CPU.
        ranks (Ranks | None): The processes of the run; `None` for this one alone.
        RAISES (ValueError): If a number is outside its range, or if the run has several processes,
            but no seed, or an optimizer that cannot add up their gradients.
        """
        self.nlp = nlp
        self.ranks = ranks or Ranks()
        self.output = output
        config = nlp.config.interpolate()
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        if use_gpu >= 0 and config["training"]["gpu_allocator"]:
            set_gpu_allocator(config["training"]["gpu_allocator"])
        self.settings: dict[str, Any] = registry.resolve(
            config["training"], schema=ConfigSchemaTraining
        )
        check_range("training.dropout", self.settings["dropout"], 0, below=1)
        check_range("training.accumulate_gradient", self.settings["accumulate_gradient"], 1)
        names = [self.settings["train_corpus"], self.settings["dev_corpus"]]
        self.train_corpus, self.dev_corpus = resolve_dot_names(config, names)
        self.optimizer = self.settings["optimizer"]
        if self.ranks.count > 1:
            self._join_ranks()
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

    def _join_ranks(self) -> None:
        if self.settings["seed"] is None or not isinstance(self.optimizer, JointOptimizer):
            raise ValueError(
                "Training in several processes needs `seed` in [training], so that all begin with "
                "the same weights, and an optimizer of this package, such as "
                "spacy-bert-ner.AdamW.v1, which adds up their gradients."
            )
        self.optimizer.add_up = self.ranks.add_up

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
        log_step: Callable = _ignore
        finish_log: Callable = _ignore
        if self.ranks.is_first:
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
                    info = self.ranks.share(self._evaluate() if self.ranks.is_first else None)
                    self._save_evaluation(info, log_step)
                    self.ranks.share_random()
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
            if progress.step == self._evaluated_step + 1:
                self.ranks.seed(progress.step)
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
            if not self.ranks.is_first:
                return
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
        info = {"step": self.progress.step, "epoch": epoch}
        update_weights(
            self.nlp, batch, self.optimizer, self.settings, self.ranks, info=info, losses=losses
        )

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
        if (
            self.ranks.is_first
            and self.is_whole
            and self.progress.step not in (-1, self.saved_step)
        ):
            self._save_checkpoint()


def _ignore(info: Any = None) -> None:
    pass
