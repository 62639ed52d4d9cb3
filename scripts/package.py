"""Build the wheels of a trained pipeline and of the plugin that it needs."""

import shutil
from pathlib import Path

import srsly
import typer
from wasabi import msg

from spacy_bert_ner.package.wheels import build_model_wheel, build_plugin_wheel, make_model_meta


def main(
    model: Path,
    output: Path,
    *,
    name: str = "kaggle_ner",
    version: str = "0.1.0",
    scores: Path = Path("metrics/report/metrics.json"),
    lock: Path = Path("assets/encoder/encoder.lock.json"),
    data: Path = Path("assets/kaggle/source.json"),
    precision: str = "full",
) -> None:
    """Write the plugin's wheel and the model's package folder, with its wheel in dist/."""
    meta = make_model_meta(
        scores=srsly.read_json(scores), lock=srsly.read_json(lock), data=srsly.read_json(data)
    )
    if output.exists():
        shutil.rmtree(output)
    plugin = build_plugin_wheel(Path(), output)
    wheel = build_model_wheel(
        model, output, name=name, version=version, meta=meta, precision=precision
    )
    for path in (plugin, wheel):
        msg.good(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    typer.run(main)
