"""The command `convert`: flags over `spacy_bert_ner.convert.convert.convert`."""

from pathlib import Path
from typing import Annotated

import typer

from ..convert.convert import convert
from ..convert.data_report import REPORT_SUFFIXES, Report, find_report_stem
from ..convert.datasets import DATASETS, find_inputs
from ..convert.split import PARTS
from ..report.data_page import write_data_report
from . import _options as options
from ._app import command
from ._errors import show_note, show_warning
from ._progress import show_progress
from ._show import show_report

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="[IN]... OUT",
        help="Inputs: FILE, FILE.gz, FILE.zip, FILE.zip:MEMBER; train=FILE dev=FILE test=FILE give "
        "files to parts. Output: a folder, or one file (.spacy, .jsonl, .conll, .json)",
    ),
]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", help=f"In place of inputs: {', '.join(DATASETS)}")
]
Data = Annotated[
    str | None, typer.Option("--data", help="Where the dataset is: a file, or a folder of parts")
]


@command("convert")
def convert_cli(
    paths: Paths,
    dataset: DatasetName = None,
    data: Data = None,
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
    to: options.To = None,
    docs: options.Docs = "auto",
    spacing: options.Spacing = "natural",
    label_map: options.LabelMap = None,
    annotated: options.AnnotatedLabels = None,
    split: options.Split = None,
    split_by: options.SplitBy = "sentence",
    seed: options.Seed = 0,
    stratify: options.Stratify = False,
    allow_leaks: options.AllowLeaks = False,
    limit: options.Limit = 0,
    limit_dev: options.LimitDev = 0,
    limit_test: options.LimitTest = 0,
    encoder: options.Encoder = None,
    force: options.Force = False,
) -> None:
    """Convert BIO data to DocBin: natural text, no leaks between parts, a data report."""
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
        to=to,
        docs=docs,
        spacing=spacing,
        label_map=label_map,
        annotated=annotated,
        split=split,
        split_by=split_by,
        seed=seed,
        stratify=stratify,
        allow_leaks=allow_leaks,
        limit=limit,
        limit_dev=limit_dev,
        limit_test=limit_test,
        encoder=encoder,
    )
    inputs, output = list(paths[:-1]), paths[-1]
    if dataset:
        if inputs:
            raise ValueError(f"Inputs ({', '.join(inputs)}) and `dataset`: give one of them.")
        inputs, settings = find_inputs(dataset, data, settings)
        if split and not settings.split:
            show_note(f'{dataset} has its own parts: `split = "{split}"` is not used.')
    elif data:
        raise ValueError("`data` goes with `dataset`: give inputs by name, or both of them.")
    stem = find_report_stem(output)
    report = convert(
        inputs,
        output,
        settings=settings,
        dataset=dataset or None,
        force=force,
        write_report=write_data_report,
        progress=show_progress,
    )
    pages = [stem.with_name(stem.name + suffix) for suffix in REPORT_SUFFIXES]
    show_report(report, [path for path in pages if path.exists()])
    show_other_parts(Path(output), report)


def show_other_parts(folder: Path, report: Report) -> None:
    """Warn of parts in the folder that this conversion did not write."""
    written = {part["path"] for part in report["parts"].values()}
    others = [path for path in (folder / f"{name}.spacy" for name in PARTS) if path.exists()]
    names = [str(path) for path in others if str(path) not in written]
    if names:
        show_warning(
            f"{', '.join(names)}: not part of this conversion, and left as it was. Do not train or "
            "evaluate on the parts of two conversions together."
        )
