"""The command `convert`: flags over `spacy_bert_ner.convert.convert`."""

from pathlib import Path

import typer
from wasabi import msg

from ..convert import convert
from ..data_report import write_report
from ..labels import parse_label_map
from ._app import bert_ner_cli, shown_errors


@bert_ner_cli.command("convert")
def convert_cli(
    paths: list[str] = typer.Argument(..., help="Input files, then the output folder"),
    split: str = typer.Option(None, "--split", help="Shares of train/dev/test, e.g. 80/10/10"),
    seed: int = typer.Option(0, "--seed", help="Seed of the split and of the samples"),
    encoding: str = typer.Option(None, "--encoding", help="Default: UTF-8, then cp1252"),
    label_map: str = typer.Option(None, "--label-map", help="geo=GPE,per=PERSON or 'ontonotes'"),
    limit: int = typer.Option(0, "--limit", help="Sentences of train to draw; 0 is all"),
    limit_dev: int = typer.Option(0, "--limit-dev", help="Sentences of dev to draw; 0 is all"),
    limit_test: int = typer.Option(0, "--limit-test", help="Sentences of test to draw; 0 is all"),
) -> None:
    """Convert BIO data to DocBin, split without leaks, with a data report."""
    with shown_errors():
        report = convert(
            paths[:-1],
            paths[-1],
            split=split,
            seed=seed,
            encoding=encoding,
            label_map=parse_label_map(label_map),
            limit=limit,
            limit_dev=limit_dev,
            limit_test=limit_test,
        )
        write_report(report, Path(paths[-1]))
    for name, part in report["parts"].items():
        labels = ", ".join(f"{label} {n:,}" for label, n in sorted(part["entities"].items()))
        msg.good(
            f"{name}: {part['sentences']:,} sentences, {part['tokens']:,} tokens, "
            f"{sum(part['entities'].values()):,} entities ({labels})"
        )
