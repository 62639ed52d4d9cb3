"""The command `find-threshold`: flags over `spacy_bert_ner.score.thresholds`."""

from pathlib import Path

import typer
from wasabi import msg

from ..corpus.docbin import GroupCorpus
from ..score.thresholds import ALL, find_thresholds, save_with_thresholds
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_warning
from ._progress import show_progress


@command("find-threshold")
def find_threshold_cli(
    model: Path = typer.Argument(..., help="Folder of the trained pipeline"),
    data: Path = typer.Argument(
        ..., help="Gold docs (.spacy) that were not used in training", exists=True
    ),
    precision: float = typer.Option(
        ..., "--precision", help="The precision to reach, for example 0.95"
    ),
    name: str = typer.Option(None, "--name", help="The component, if there are several bert_ner"),
    per_label: bool = typer.Option(False, "--per-label", help="One threshold for each label"),
    raw: bool = typer.Option(False, "--raw", help="Tokenize the text, not the corpus's own words"),
    output: Path = typer.Option(
        None, "--output", help="Save a copy of the pipeline with these thresholds"
    ),
    force: options.Force = False,
) -> None:
    """Find the threshold that keeps most entities at a given precision."""
    if output is not None:
        check_targets(folder=output, inputs=[model, data], force=force)
    nlp = options.load_pipeline(model)
    name = options.choose_component(nlp, name)
    examples = list(GroupCorpus(data, gold_preproc=not raw)(nlp))
    found = find_thresholds(
        nlp,
        show_progress(examples, text=f"Predicting {data.name}"),
        precision=precision,
        name=name,
        per_label=per_label,
    )
    if output is not None:
        save_with_thresholds(model, output, name, found.reached, force=force)
    rows = [
        (
            "all labels" if label == ALL else label,
            f"{t.value:.4f}",
            f"{t.precision:.4f}",
            f"{t.recall:.4f}",
            f"{t.n_kept:,}",
        )
        for label, t in found.reached.items()
    ]
    rows += [
        (label, "–", f"{t.precision:.4f} at best", "–", "–") for label, t in found.unreached.items()
    ]
    msg.table(rows, header=("", "threshold", "precision", "recall", "entities"), divider=True)
    if found.unreached:
        show_warning(
            f"No threshold reaches a precision of {precision} for {', '.join(found.unreached)}. "
            "They get none, so all their entities are kept. Ask for less, train a better model, "
            f"or choose a threshold for them yourself in components.{name}.threshold."
        )
    if output is not None:
        msg.good(f"Saved with components.{name}.threshold: {output}")
