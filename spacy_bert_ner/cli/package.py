"""The command `package`: flags over `spacy_bert_ner.package.wheels`."""

from pathlib import Path

import typer
from wasabi import msg

from ..files import recover_folder, replaced_folder
from ..install import install_wheels
from ..manifest import MANIFEST, write_manifest
from ..scratch import temporary_folder
from ..targets import check_targets
from . import _options as options
from ._app import command


@command("package")
def package_cli(
    model: Path = typer.Argument(..., help="Folder of the trained pipeline"),
    output: Path = typer.Argument(..., help="Folder of the wheels"),
    name: str = typer.Option(..., "--name", help="Name without the language: kaggle_ner"),
    version: str = typer.Option("0.1.0", "--version", help="Version of the model"),
    scores: Path = typer.Option(..., "--scores", help="metrics.json of the evaluation"),
    lock: Path = typer.Option(..., "--lock", help="encoder.lock.json of the encoder"),
    data: Path = typer.Option(..., "--data", help="source.json: name and licence of the corpus"),
    plugin: Path = typer.Option(
        None, "--plugin", help="Source folder of spacy-bert-ner: build its wheel too"
    ),
    precision: str = typer.Option("full", "--precision", help="Of stored weights: full or half"),
    twice: bool = typer.Option(
        False, "--twice", help="Build again, and fail unless the wheels have the same bytes"
    ),
    force: options.Force = False,
) -> None:
    """Build the wheel of a trained pipeline, with its scores, sources and licences."""
    from ..package.meta import read_model_meta
    from ..package.wheels import build_model_wheel, build_plugin_wheel, check_same

    recover_folder(model)
    check_targets(folder=output, inputs=[model, scores, lock, data], force=force)
    meta = read_model_meta(scores=scores, lock=lock, data=data)

    def build(folder: Path) -> list[Path]:
        wheel = build_model_wheel(
            model, folder, name=name, version=version, meta=meta, precision=precision
        )
        return [wheel] if plugin is None else [build_plugin_wheel(plugin, folder), wheel]

    with replaced_folder(output, record=MANIFEST) as folder:
        wheels = build(folder)
        if twice:
            with temporary_folder() as tmp:
                check_same(wheels, build(tmp))
        write_manifest(folder)
        sizes = {output / path.relative_to(folder): path.stat().st_size for path in wheels}
    for path, size in sizes.items():
        msg.good(f"{path} ({size / 1e6:.1f} MB)")
    # on one line, to be copied
    typer.echo(f"Install: {install_wheels(list(sizes))}")
