"""The command `suggest`: flags over `spacy_bert_ner.review.suggest`."""

from pathlib import Path

import typer
from wasabi import msg

from ..report.text import format_count
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_note, show_warning
from ._progress import show_progress


@command("suggest")
def suggest_cli(
    model: Path = typer.Argument(..., help="Folder of the trained pipeline", exists=True),
    texts: Path = typer.Argument(
        ..., help="Unlabelled texts: .jsonl, .txt, .csv, .parquet, or a folder of such", exists=True
    ),
    output: Path = typer.Option(
        None, "--output", "-o", help="Folder of the tasks; for texts.jsonl, texts.suggested"
    ),
    number: int = typer.Option(200, "--number", "-n", help="How many texts to suggest"),
    known: list[Path] = typer.Option(
        [], "--known", help="Corpus (.spacy) whose sentences are not suggested again", exists=True
    ),
    label: list[str] = typer.Option([], "--label", help="A label that you want more of"),
    text_field: str = typer.Option("text", "--text-field", help="The field with the text"),
    name: str = typer.Option(None, "--name", help="The component, if there are several bert_ner"),
    gpu_id: options.GpuId = -1,
    force: options.Force = False,
) -> None:
    """Choose the texts that teach most, and write them with what the model finds in them."""
    from ..annotate.records import BadRecord, TextRecord
    from ..review.suggest import SUGGESTIONS, read_unlabelled, suggest, write_suggestions

    output = output or texts.with_suffix(".suggested")
    files = [output / file for file in SUGGESTIONS]
    check_targets(files=files, inputs=[model, texts, *known], force=force)
    options.use_gpu(gpu_id)
    nlp = options.load_pipeline(model)
    found = list(read_unlabelled(texts, text_field=text_field, longest=nlp.max_length))
    bad = [record for record in found if isinstance(record, BadRecord)]
    if bad:
        n = format_count(len(bad), "record")
        show_warning(f"{n} left out, the first of which is {bad[0].id}: {bad[0].reason}.")
    tasks = suggest(
        nlp,
        options.choose_component(nlp, name),
        [record.text for record in found if isinstance(record, TextRecord)],
        number=number,
        known=known,
        labels=label,
        progress=show_progress,
    )
    write_suggestions(tasks, output, force=force)
    if len(tasks) < number:
        show_note(f"Only {format_count(len(tasks), 'text')} are new and have words.")
    for file in files:
        msg.good(f"{file}")
