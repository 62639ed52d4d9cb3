"""The command `try-wheels`: flags over `spacy_bert_ner.package.release`."""

import json
from pathlib import Path

import spacy
import typer
from wasabi import msg

from ..files import recover_folder, replaced_files
from ..manifest import load_checked
from ..report.text import format_count
from ..targets import check_targets
from . import _options as options
from ._app import command
from ._errors import show_note, show_warning


@command("try-wheels")
def try_wheels_cli(
    model: Path = typer.Argument(..., help="Folder of the trained pipeline"),
    packages: Path = typer.Argument(..., help="Folder of the wheels, as `package` wrote it"),
    output: Path = typer.Argument(..., help="JSON file to write: hashes, versions, times"),
    name: str = typer.Option(..., "--name", help="The model's package: en_kaggle_ner"),
    environments: str = typer.Option(
        "here",
        "--environments",
        help="here: with the versions of this one; supported: with the oldest and the newest; "
        "borrowed: with the packages of this one, which is fast but does not try requirements",
    ),
    torch: str = typer.Option(
        "", "--torch", help="With supported: this version of torch, not the oldest and newest"
    ),
    corpus: Path = typer.Option(
        None, "--corpus", help="Docs (.spacy) to compare before and after packaging"
    ),
    precision: str = typer.Option("full", "--precision", help="As for `package`: full or half"),
    force: options.Force = False,
) -> None:
    """Install wheels in new environments, and check that they find what MODEL finds."""
    from ..package.release import (
        compare_pipelines,
        describe_wheels,
        find_environments,
        find_failures,
        find_wheels,
        try_everywhere,
    )
    from ..package.trial import TEXTS, find_scored_entities

    recover_folder(model)
    inputs = [model, packages, *filter(None, [corpus])]
    check_targets(files=[output], inputs=inputs, force=force)
    wheels, folder = find_wheels(packages, name)
    pins = find_environments(environments, torch=torch or None)
    before, after = spacy.load(model), load_checked(folder)
    n_docs, n_same = compare_pipelines(before, after, corpus)
    msg.good(f"{format_count(n_docs, 'doc')}, {n_same:,} with the same entities once packaged")
    show_note(f"Installing {', '.join(wheel.name for wheel in wheels)}: {', '.join(pins)}")
    trials = []
    for trial in try_everywhere(wheels, after, name, pins):
        trials.append(trial)
        if trial.failure:
            show_warning(f"{trial.name}: {trial.failure}")
            continue
        versions = ", ".join(f"{dist} {found}" for dist, found in trial.versions.items())
        msg.good(
            f"{trial.name}: same entities and scores, {format_count(trial.n_files, 'file')} as "
            f"written, loads in {trial.load_s:.2f} s ({versions})"
        )
    found = zip(TEXTS, find_scored_entities(after, TEXTS), strict=True)
    result = {
        "model": str(model),
        "precision": precision,
        "wheels": describe_wheels(wheels),
        "docs": n_docs,
        "docs_with_same_entities": n_same,
        "environments": [trial._asdict() for trial in trials],
        "texts": [{"text": text, "ents": [ent[:3] for ent in ents]} for text, ents in found],
    }
    with replaced_files(output.parent, force=True) as place:
        text = json.dumps(result, indent=2, ensure_ascii=False)
        (place / output.name).write_text(f"{text}\n", encoding="utf8")
    failures = find_failures(precision, n_docs, n_same, trials)
    if failures:
        raise ValueError(" ".join(failures))
