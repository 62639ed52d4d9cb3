"""spaCy's report on each training step → a progress bar, a table, JSON lines, TensorBoard."""

import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import IO, Any

import torch
import tqdm
from spacy.language import Language
from spacy.training import Example

from ..figures import require_matplotlib
from ..files import replaced_files
from ..install import install_extra
from ..pipe.bert_ner import BertNer
from ..ranges import check_range
from .check_dev import read_spans
from .curve import draw_learning_curve
from .dev_loss import measure_dev, read_dev
from .log import Best, LogRow, add_record, check_losses, check_score, find_best, flatten
from .output import LOG_NAME
from .rates import read_rates

_TABLE = "{epoch:>5}  {step:>6}  {loss:>8}  {dev_loss:>8}  {p:>6}  {r:>6}  {f:>6}  {words:>7}\n"
_HEADER = {"epoch": "EPOCH", "step": "STEP", "loss": "LOSS", "dev_loss": "DEV LOSS"}
_HEADER |= {"p": "P", "r": "R", "f": "F1", "words": "WORDS/S"}
_COUNTED = 500  # dev examples whose gold entities are counted
Info = dict[str, Any]  # spaCy's report on a step
LogStep = Callable[[Info | None], None]


def make_logger_v1(
    *,
    path: str | None = None,
    progress_bar: bool = True,
    dev_sentences: int = 500,
    tensorboard: str | None = None,
    plot: bool = False,
) -> Callable[[Language, IO, IO], tuple[LogStep, Callable[[], None]]]:
    """Make a logger that shows and records the progress of a training run.

    Entry point: spacy-bert-ner.Logger.v1. After each evaluation it prints a row and
    writes a JSON line with the train and dev loss, token accuracy, precision, recall and
    F1 (overall and by label), learning rate, words per second and memory. It stops the
    run if a loss is not finite, or if a good score falls to 0 on dev data with at least
    30 entities; the best model is kept.

    path (str | None): File for the JSON lines. If `None`, the logger writes log.jsonl to
        the output folder, if there is one. The log of an earlier run is kept next to it.
    progress_bar (bool): Whether to show a progress bar with the time left on a terminal.
    dev_sentences (int): The number of dev examples on which to measure loss and token
        accuracy; 0 for none.
    tensorboard (str | None): Folder for TensorBoard's scalars (needs the extra
        `tensorboard`); `None` for none.
    plot (bool): Whether to plot the learning curve next to the JSON lines at the end
        (needs the extra `plots`).
    RETURNS (Callable): The logger, as spaCy expects it.
    RAISES (ValueError): If an extra is not installed, or the run has diverged.
    """
    check_range("dev_sentences", dev_sentences, 0)

    def setup_logger(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        if plot:
            require_matplotlib()
        dev = read_dev(nlp, max(dev_sentences, _COUNTED))
        run = Run(
            nlp,
            dev=dev[:dev_sentences],
            n_gold=sum(len(read_spans(eg.reference, _find_key(nlp))) for eg in dev),
            path=Path(path) if path else None,
            stdout=stdout,
            bar=make_bar(nlp, stderr) if progress_bar else None,
            scalars=make_scalars(tensorboard) if tensorboard else None,
            plot=plot,
        )
        return run.log_step, run.finish

    return setup_logger


class Run:
    """The state of a training run since its last evaluation, and its best evaluation."""

    def __init__(
        self,
        nlp: Language,
        *,
        dev: list[Example],
        n_gold: int,
        path: Path | None,
        stdout: IO,
        bar: tqdm.tqdm | None = None,
        scalars: Any = None,
        plot: bool = False,
    ) -> None:
        """Start to log; see `make_logger_v1`."""
        self.nlp = nlp
        self.dev = dev
        self.n_gold = n_gold
        self.path = path
        self.stdout = stdout
        self.bar = bar
        self.scalars = scalars
        self.plot = plot
        self.rates = read_rates(nlp)
        self.best: Best | None = None
        self._n_steps = self._n_words = 0
        self._start = self._updated = perf_counter()
        stdout.write(_TABLE.format(**_HEADER))

    def log_step(self, info: Info | None) -> None:
        """Record a step.

        info (Dict[str, Any] | None): spaCy's report after an evaluation; `None` after
            other steps.
        RAISES (ValueError): If the run has diverged.
        """
        self._n_steps += 1
        if self.bar is not None:
            self.bar.update(1 if info is None else info["step"] + 1 - self.bar.n)
        if info is None:
            self._updated = perf_counter()
            return
        record = self.make_record(info)
        best_before = find_best(info["checkpoints"][:-1])
        check_losses(record, best_before)
        self.best = find_best(info["checkpoints"])
        self._show(record)
        if self.path is None and info.get("output_path"):
            self.path = Path(info["output_path"]).parent / LOG_NAME
        if self.path is not None:
            add_record(self.path, record, earlier=[step for _, step in info["checkpoints"][:-1]])
        if self.scalars is not None:
            for name, value in flatten(record).items():
                self.scalars.add_scalar(name, value, record["step"])
        check_score(record, best_before, n_gold=self.n_gold)
        self._n_steps = 0
        self._n_words = info["words"]
        self._start = self._updated = perf_counter()

    def make_record(self, info: Info) -> LogRow:
        """Make the record of an evaluation.

        info (Dict[str, Any]): spaCy's report.
        RETURNS (Dict[str, Any]): The record, with losses as means over the batches since
            the last evaluation, scores from 0 to 1 and memory in MB.
        """
        scores = info["other_scores"]
        place = find_place(self.nlp, scores)
        # The time of the last step includes the evaluation, so the step is left out.
        share = (self._n_steps - 1) / self._n_steps
        seconds = self._updated - self._start
        n_words = (info["words"] - self._n_words) * share
        if not self._n_words and self._n_steps <= info["step"]:
            seconds = 0.0  # a resumed run, whose earlier words are unknown
        return {
            "epoch": info["epoch"],
            "step": info["step"],
            "seconds": info["seconds"],
            "score": float(info["score"]),
            "loss": {name: loss / self._n_steps for name, loss in info["losses"].items()},
            **measure_dev(self.nlp, self.dev),
            **{f"ents_{name}": scores.get(f"{place}_{name}") for name in (*"prf", "per_type")},
            "learn_rate": self.rates(info["step"]),
            "words_per_second": round(n_words / seconds) if seconds > 0 else None,
            "memory": measure_memory(),
        }

    def finish(self) -> None:
        """Print the best evaluation, and plot the learning curve."""
        if self.bar is not None:
            self.bar.close()
        if self.scalars is not None:
            self.scalars.close()
        if self.best is not None:
            score, step = self.best
            self.stdout.write(f"Best: score {score:.4f} at step {step}\n")
        if self.plot and self.path is not None and self.path.exists():
            with replaced_files(self.path.parent, force=True) as folder:
                draw_learning_curve(self.path, folder)

    def _show(self, record: LogRow) -> None:
        row = {
            "epoch": record["epoch"],
            "step": record["step"],
            "loss": f"{sum(record['loss'].values()):.4f}",
            "dev_loss": _format(record.get("dev_loss"), "{:.4f}"),
            "words": _format(record["words_per_second"], "{:,}"),
        }
        row |= {name: _format(record[f"ents_{name}"], "{:.2%}") for name in "prf"}
        self.stdout.write(_TABLE.format(**row))
        self.stdout.flush()
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {row['loss']}, F1 {row['f']}, {row['words']} words/s")


def find_place(nlp: Language, scores: Mapping[str, Any]) -> str:
    """Find the prefix of the entity scores of a pipeline.

    nlp (Language): The pipeline.
    scores (Mapping[str, Any]): Its scores.
    RETURNS (str): "ents"; if `doc.ents` is not scored, "spans_" and the key of the first
        `bert_ner` in the pipeline.
    """
    key = _find_key(nlp)
    return f"spans_{key}" if key and "ents_f" not in scores else "ents"


def _find_key(nlp: Language) -> str | None:
    keys = [pipe.spans_key for _, pipe in nlp.pipeline if isinstance(pipe, BertNer)]
    return keys[0] if keys else None


def _format(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def make_bar(nlp: Language, stderr: IO) -> tqdm.tqdm:
    """Make a progress bar over all steps, shown only on a terminal."""
    total = nlp.config["training"]["max_steps"] or None
    return tqdm.tqdm(total=total, disable=None, leave=False, file=stderr, unit="step")


def make_scalars(folder: str) -> Any:
    """Make TensorBoard's writer.

    folder (str): The folder for the scalars.
    RETURNS (SummaryWriter): The writer.
    RAISES (ValueError): If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            f"`tensorboard = {folder!r}` in [training.logger], but TensorBoard is not installed. "
            f"Run `{install_extra('tensorboard')}`, or set `tensorboard` to null."
        ) from error
    return SummaryWriter(folder)


def measure_memory() -> dict[str, float]:
    """RETURNS (Dict[str, float]): The peak memory so far, in MB: "cpu" and "gpu"."""
    # Linux counts in KB.
    memory = {"cpu": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
    if torch.cuda.is_available():
        memory["gpu"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return memory
