"""The command `annotate`: flags over `spacy_bert_ner.annotate.annotate.annotate`."""

from typing import TYPE_CHECKING

import typer
from tqdm import tqdm
from wasabi import msg

from ..report.text import format_count
from ._app import command
from ._errors import show_note, show_warning

if TYPE_CHECKING:
    from ..annotate.run import Summary


class Bar:
    """A bar on stderr with records, words/s, errors and time left; none without a terminal.

    quiet (bool): Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        """Show nothing yet."""
        self.bar = tqdm(desc="Annotating", unit=" records", disable=True if quiet else None)

    def __enter__(self) -> "Bar":
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self.bar.close()

    def update(self, state: "Summary") -> None:
        """Show the state of a job."""
        if self.bar.total is None:
            self.bar.initial = state.records + state.errors - state.done_now
            self.bar.total = state.total
        self.bar.n = state.records + state.errors
        speed = f"{state.words_per_second:,.0f} words/s"
        self.bar.set_postfix_str(f"{speed}, {format_count(state.errors, 'error')}", refresh=False)
        self.bar.refresh()


@command("annotate")
def annotate_cli(
    model: str = typer.Argument(..., help="Folder or package of the pipeline"),
    inputs: list[str] = typer.Argument(
        ...,
        help="Files, folders, globs or URIs: .txt (a text a line), .jsonl, .csv, .tsv, .parquet, "
        ".spacy; text files also packed (.gz, .zst)",
    ),
    output: str = typer.Option(..., "--output", "-o", help="Folder or URI of the output"),
    to: str = typer.Option(
        "jsonl", "--to", help="Format: jsonl, parquet, spacy, label-studio, prodigy or conll"
    ),
    text_field: str = typer.Option("text", "--text-field", help="Name of the field with the text"),
    id_field: str = typer.Option(
        None, "--id-field", help="Name of the id's field; by default ids are file and row"
    ),
    threshold: float = typer.Option(
        None, "--threshold", help="Minimum probability of an entity; by default the model's own"
    ),
    max_errors: float = typer.Option(
        0.01, "--max-errors", help="Share of bad records above which the job ends"
    ),
    engine: str = typer.Option("local", "--engine", help="local, ray or spark"),
    workers: int = typer.Option(
        None, "--workers", help="Processes; by default one for each core, or one on a GPU"
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU, or -1 for the CPU"),
    gpus_per_worker: float = typer.Option(
        0, "--gpus-per-worker", help="GPUs that Ray or Spark reserves for each worker"
    ),
    part_records: int = typer.Option(
        10_000, "--part-records", help="Records of one file of the output"
    ),
    force: bool = typer.Option(
        False, "--force", help="Start anew, whatever job the output folder holds"
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Show no progress and no summary"),
) -> None:
    """Label texts of any amount; after a stop, run the same command again."""
    from ..annotate.annotate import annotate

    with Bar(quiet=quiet) as bar:
        try:
            state = annotate(
                model,
                inputs,
                output,
                to=to,
                text_field=text_field,
                id_field=id_field,
                threshold=threshold,
                max_errors=max_errors,
                engine=engine,
                workers=workers,
                gpu_id=gpu_id,
                gpus_per_worker=gpus_per_worker,
                part_records=part_records,
                force=force,
                watch=bar.update,
            )
        except KeyboardInterrupt:
            show_note("Finished parts are kept. Run the same command again to do the others.")
            raise
    if not quiet:
        show_summary(state, output)


def show_summary(state: "Summary", output: str) -> None:
    """Print how many records, entities and errors a job has, and how fast it was."""
    labels = ", ".join(f"{label} {n:,}" for label, n in state.entities.most_common())
    msg.good(
        f"{format_count(state.records, 'record')}, "
        f"{format_count(state.entities.total(), 'entity', 'entities')}"
        + (f" ({labels})" if labels else "")
    )
    if state.done_now:
        show_note(
            f"This run: {format_count(state.done_now, 'record')} in {state.seconds:,.0f} s, "
            f"{state.words_per_second:,.0f} words/s."
        )
    if state.errors:
        show_warning(
            f"{format_count(state.errors, 'record')} could not be labelled: see "
            f"{output}/errors.jsonl. Run the same command again to try them again."
        )
    msg.good(f"Output: {output}/parts")
