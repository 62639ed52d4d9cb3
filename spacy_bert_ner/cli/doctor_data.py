"""The command `doctor-data`: the report of a conversion that writes no corpus."""

from pathlib import Path
from typing import Annotated

import typer

from ..convert.convert import convert, find_file
from ..convert.data_report import REPORT_SUFFIXES
from ..convert.settings import parse_input
from ..files import replaced_files
from ..report.data_page import render_report, write_data_report
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._progress import show_progress
from ._show import show_report

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="FILE, FILE.gz, FILE.zip, FILE.zip:MEMBER; or train=FILE dev=FILE test=FILE",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", help="Folder for report.md, .json and .png; default: print the page"),
]


@command("doctor-data")
def doctor_data_cli(
    files: Files,
    output: Output = None,
    format: options.Format = None,  # noqa: A002
    encoding: options.Encoding = None,
    word_column: options.WordColumn = None,
    tag_column: options.TagColumn = None,
    columns: options.Columns = None,
    quoting: options.Quoting = "auto",
    label: options.Label = None,
    bare_labels: options.BareLabels = False,
    misc: options.Misc = None,
    split_at: options.SplitAt = "",
    skip_bad: options.SkipBad = False,
    lang: options.Lang = "en",
    annotator: options.Annotator = None,
    tag_names: options.TagNames = None,
    docs: options.Docs = "auto",
    spacing: options.Spacing = "natural",
    label_map: options.LabelMap = None,
    split: options.Split = None,
    split_by: options.SplitBy = "sentence",
    seed: options.Seed = 0,
    stratify: options.Stratify = False,
    encoder: options.Encoder = None,
    force: options.Force = False,
) -> None:
    """Report what is in BIO data and what is wrong with it, without writing a corpus."""
    settings = options.make_conversion(
        format=format,
        encoding=encoding,
        word_column=word_column,
        tag_column=tag_column,
        columns=columns,
        quoting=quoting,
        label=label,
        bare_labels=bare_labels,
        misc=misc,
        split_at=split_at,
        skip_bad=skip_bad,
        lang=lang,
        annotator=annotator,
        tag_names=tag_names,
        docs=docs,
        spacing=spacing,
        label_map=label_map,
        split=split,
        split_by=split_by,
        seed=seed,
        stratify=stratify,
        allow_leaks=True,
        encoder=encoder,
    )
    if output is None:
        typer.echo(render_report(convert(files, settings=settings, progress=show_progress)))
        return
    pages = [output / f"report{suffix}" for suffix in REPORT_SUFFIXES]
    check_targets(
        files=pages, inputs=[find_file(parse_input(file)[1]) for file in files], force=force
    )
    report = convert(files, settings=settings, progress=show_progress)
    with replaced_files(output, force=force) as folder:
        names = [path.name for path in write_data_report(report, folder / "report")]
    show_report(report, [output / name for name in names])
