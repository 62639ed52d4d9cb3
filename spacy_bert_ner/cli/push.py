"""The command `push`: flags over `spacy_bert_ner.interop.push`."""

from pathlib import Path

import typer
from wasabi import msg

from ..report.text import format_count
from ._app import command
from ._errors import show_note


@command("push")
def push_cli(
    model: Path = typer.Argument(..., help="A pipeline, or what to-hf wrote", exists=True),
    repo: str = typer.Argument(..., help="OWNER/NAME on the hub"),
    upload: bool = typer.Option(
        False, "--upload", help="Send it; without this flag, only show what would be sent"
    ),
    private: bool = typer.Option(
        None,
        "--private/--public",
        help="Who sees a new repository. Default: as the organisation has it",
    ),
    wheel: Path = typer.Option(
        None, "--wheel", help="The model's wheel, to send with it", exists=True
    ),
    plugin: Path = typer.Option(
        None, "--plugin", help="The wheel of spacy-bert-ner: lets endpoints run it", exists=True
    ),
) -> None:
    """Upload a model to the Hugging Face hub; without --upload, show what would be sent."""
    from ..interop.push import push_model

    done = push_model(model, repo, upload=upload, private=private, wheel=wheel, plugin=plugin)
    rows = [(name, f"{size:,}") for name, size in done.files.items()]
    msg.table(
        rows, header=(f"to {repo}, as {done.layout}", "bytes"), divider=True, aligns=("l", "r")
    )
    msg.text(done.card[: done.card.index("---", 4)] + "---")
    if done.left_out:
        show_note(f"Not sent: {', '.join(done.left_out)}")
    total = f"{format_count(len(done.files), 'file')}, {sum(done.files.values()) / 1e6:.1f} MB"
    if done.url is None:
        show_note(f"Nothing was sent: {total} would be. Set `upload` to send them.")
    else:
        msg.good(f"{total} are at {done.url}")
