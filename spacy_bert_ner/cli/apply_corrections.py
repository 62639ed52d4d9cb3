"""The command `apply-corrections`: flags over `spacy_bert_ner.review.apply`."""

from pathlib import Path

import typer
from wasabi import msg

from ..report.text import format_count, format_percent
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_note, show_warning


@command("apply-corrections")
def apply_corrections_cli(
    data: Path = typer.Argument(..., help="The docs (.spacy) that were searched", exists=True),
    answers: Path = typer.Argument(
        ...,
        help="Answers: the CSV table, candidates.jsonl with an answer (accept or reject) in each "
        "line, or what Label Studio or Prodigy exported",
        exists=True,
    ),
    output: Path = typer.Argument(..., help="The corrected docs (.spacy)"),
    force: options.Force = False,
) -> None:
    """Correct gold labels as somebody answered the proposals of `find-label-errors`."""
    from ..read.sentence import Notes
    from ..review.answers import read_answers
    from ..review.apply import apply_corrections, count_gold

    check_targets(files=[output], inputs=[data, answers], force=force)
    notes = Notes()
    counts = apply_corrections(data, read_answers(answers, notes), output, force=force)
    for note in notes.kinds.values():
        show_note(f"{answers.name}: {note.text}: {note.count:,}, the first {note.places[0]}.")
    if not any(counts.values()):
        show_warning(
            f"{answers.name}: no answers, so {output.name} is {data.name} unchanged. Write accept, "
            "reject or a label as the answer, or submit the tasks, and export them again."
        )
    rows = [(outcome, f"{n:,}") for outcome, n in counts.items()]
    msg.table(rows, header=("answers", "places"), divider=True, aligns=("l", "r"))
    n_wrong, n_gold = counts["corrected"], count_gold(data)
    msg.text(
        f"Wrong: {n_wrong:,} of {format_count(sum(counts.values()), 'place')} with an answer, so "
        f"at least {format_percent(n_wrong / n_gold if n_gold else None, 1)} % of the labels of "
        f"{data.name}, which has {format_count(n_gold, 'entity', 'entities')}."
    )
    msg.good(f"{output}")
