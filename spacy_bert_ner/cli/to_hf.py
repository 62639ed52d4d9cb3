"""The command `to-hf`: flags over `spacy_bert_ner.interop.to_hf`."""

from pathlib import Path

import typer
from wasabi import msg

from ..corpus.docbin import GroupCorpus
from ..report.text import format_count
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_note, show_warning
from ._progress import show_progress


@command("to-hf")
def to_hf_cli(
    model: Path = typer.Argument(..., help="Folder of the trained pipeline"),
    output: Path = typer.Argument(..., help="Folder of the checkpoint"),
    name: str = typer.Option(None, "--name", help="The component, if there are several bert_ner"),
    distill_head: Path = typer.Option(
        None, "--distill-head", help="Gold docs (.spacy) to fit a linear head to, if needed"
    ),
    force: options.Force = False,
) -> None:
    """Write a pipeline as a checkpoint that `transformers` loads without this package.

    What a checkpoint cannot express is reported before anything is written.
    """
    from ..interop.to_hf import EXACT_HEAD, pipeline_to_hf

    inputs = [model, *filter(None, [distill_head])]
    check_targets(folder=output, inputs=inputs, force=force)
    nlp = options.load_pipeline(model)
    name = options.choose_component(nlp, name)
    examples = None
    if distill_head is not None:
        found = GroupCorpus(distill_head, gold_preproc=True)(nlp)
        examples = show_progress(found, text=f"Reading {distill_head.name}")
    done = pipeline_to_hf(nlp, output, name=name, distill=examples)
    names = done.head.names
    msg.good(f"{output}: {format_count(len(names), 'tag')} ({', '.join(names)})")
    if done.distilled is not None:
        before, after = 100 * done.distilled.f_before, 100 * done.distilled.f_after
        show_warning(
            f"A plain head was fitted: F1 {before:.2f} before, {after:.2f} after, "
            f"{before - after:.2f} lost, on {format_count(done.distilled.n_docs, 'doc')} that it "
            f"was not fitted to. A pipeline trained with {EXACT_HEAD} loses nothing"
        )
    for note in done.notes:
        show_note(note)
