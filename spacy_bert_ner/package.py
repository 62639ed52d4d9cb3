"""A trained pipeline and its scores → meta, a model wheel and our own wheel."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import srsly
from spacy.cli.package import package
from spacy.util import load_meta


def build_plugin_wheel(project: Path, output: Path) -> Path:
    """Build the wheel of spacy-bert-ner from its source folder.

    project (Path): The folder with setup.cfg.
    output (Path): Where the wheel goes.
    RETURNS (Path): The wheel.
    RAISES (RuntimeError): If the build fails, with the last line that it said.
    """
    output.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    # Setuptools would pack what an earlier build left there.
    shutil.rmtree(project / "build", ignore_errors=True)
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(
            [*command, "--wheel-dir", tmp, str(project)],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(tmp).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RuntimeError(f"Building the wheel of {project.resolve()} failed: {reason}")
        return Path(shutil.copy(wheels[0], output))


def build_model_wheel(
    model: Path, output: Path, *, name: str, version: str, meta: dict[str, Any]
) -> Path:
    """Build an installable wheel of a trained pipeline.

    model (Path): The folder that `spacy train` wrote.
    output (Path): Where the package folder goes; an older one is replaced.
    name (str): Name without the language, for example "kaggle_ner".
    version (str): Version of the model.
    meta (Dict[str, Any]): Entries of meta.json that replace the model's own.
    RETURNS (Path): The wheel.
    RAISES (RuntimeError): If no wheel was built.
    """
    output.mkdir(parents=True, exist_ok=True)
    full_meta = {**load_meta(model / "meta.json"), **meta, "name": name, "version": version}
    folder = output / f"{full_meta['lang']}_{name}-{version}"
    if folder.exists():
        shutil.rmtree(folder)
    with tempfile.TemporaryDirectory() as tmp:
        meta_path = Path(tmp) / "meta.json"
        srsly.write_json(meta_path, full_meta)
        package(model, output, meta_path=meta_path, create_sdist=False, create_wheel=True)
    wheels = sorted((folder / "dist").glob("*.whl"))
    if len(wheels) != 1:
        raise RuntimeError(f"{folder}: expected one wheel in dist/, found {len(wheels)}.")
    return wheels[0]


def describe_model(
    *, scores: dict[str, Any], lock: dict[str, Any], data: dict[str, str]
) -> dict[str, Any]:
    """Fill the meta entries that spaCy cannot know.

    scores (Dict[str, Any]): metrics.json of the evaluation; see docs/metrics.md.
    lock (Dict[str, Any]): The encoder's lock file.
    data (Dict[str, str]): The corpus as a source: "name", "url", "author", "license".
    RETURNS (Dict[str, Any]): Entries for meta.json; spaCy writes the model card from them.
    """
    words, text = scores["words"], scores["text"]["spacy"]
    performance = {f"ents_{key}": words["micro"][key] for key in "prf"}
    performance["ents_per_type"] = {
        label: {key: row[key] for key in "prf"} for label, row in words["labels"].items()
    }
    # The calibration error; pipelines without probabilities have none.
    performance["ents_ece"] = words["certainty"] and words["certainty"]["ece"]
    # As `spacy evaluate` says it; the report is stricter.
    performance.update({f"text_ents_{key}": text[key] for key in "prf"})
    performance["token_acc"] = scores["tokens"]["accuracy"]
    encoder = {"name": lock["name"], "license": lock["license"], "author": lock["source"]}
    return {
        "description": (
            f"Named entities by spacy-bert-ner: {lock['name']} fine-tuned on {data['name']}. "
            "ents_* are scored on the corpus's words, text_ents_* on raw text, both on its test "
            f"split ({scores['data']['n_sentences']:,} sentences)."
        ),
        "author": "spacy-bert-ner",
        # Fine-tuned weights are a derived work of the encoder's.
        "license": lock["license"],
        "sources": [data, encoder],
        "performance": performance,
    }
