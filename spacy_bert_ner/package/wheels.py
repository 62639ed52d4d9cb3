"""A trained pipeline and its meta → the wheel of the model; our sources → our own wheel."""

import os
import re
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import srsly
from packaging.version import InvalidVersion, Version
from spacy.cli.package import generate_readme, package

from ..files import hash_file
from ..install import find_reason
from ..manifest import MANIFEST, check_manifest, find_supported, read_meta, write_manifest
from ..scratch import temporary_folder
from .clean import clean_model
from .half import halve_weights

PRECISIONS = ("full", "half")
# The same wheel on any day: pyproject.toml of the plugin names the same version.
SETUPTOOLS = "setuptools==80.9.0"
BUILD_SYSTEM = f"""[build-system]
requires = ["{SETUPTOOLS}"]
build-backend = "setuptools.build_meta"
"""
NAME = re.compile(r"[A-Za-z0-9_]*[A-Za-z0-9]")
KNOWN_NAMES = re.compile(
    r"[a-z]{2,3}_(core|dep|ent|sent|udv\d+|pipeline|coreference)(_(web|news|wiki|sci|med7|mod|chat))?"
    r"(_(sm|md|lg|trf|scibert))?"
    r"|en_(ner_(craft|jnlpba|bc5cdr|bionlp13cg)_md|legal_ner_(sm|trf)|blackstone_proto)"
    r"|ja_ginza(_electra|_bert_large)?|da_dacy_(small|medium|large)(_trf|_ner_fine_grained)?"
)
"""Names of models that others publish: spaCy's own, and well-known ones built on it."""


def build_plugin_wheel(project: Path, output: Path) -> Path:
    """Build the wheel of spacy-bert-ner from its source folder.

    project (Path): The folder with setup.cfg.
    output (Path): Where the wheel goes.
    RETURNS (Path): The wheel; the same bytes for the same sources.
    RAISES (ValueError): If the build fails, with the last line of pip's message.
    """
    return build_wheel(project, output)


def build_model_wheel(
    model: Path,
    output: Path,
    *,
    name: str,
    version: str,
    meta: dict[str, Any],
    precision: str = "full",
) -> Path:
    """Build an installable wheel of a trained pipeline, with a manifest of its files.

    The wheel contains neither words of the training data nor paths of this machine;
    see `clean_model`.

    model (Path): The folder of the trained pipeline; it is not changed.
    output (Path): Where the package folder goes; an older one is replaced.
    name (str): Name without the language, for example "kaggle_ner"; with it, it is the same.
    version (str): Version of the model, for example "1.0.0".
    meta (Dict[str, Any]): Entries of meta.json that replace the model's own.
    precision (str): "full", or "half" to store the encoder's weights in float16.
    RETURNS (Path): The wheel; the same bytes for the same model and meta.
    RAISES (ValueError): If name or version are not those of a Python package, the precision is
        unknown or the weights do not fit it, the model is damaged, or no wheel was built.
    """
    check_name(name, version)
    if precision not in PRECISIONS:
        raise ValueError(f"Precision '{precision}', expected one of {', '.join(PRECISIONS)}.")
    if (model / MANIFEST).is_file():
        check_manifest(model)
    full_meta = {**read_meta(model), **meta, "version": version}
    full_meta["name"] = name = name.removeprefix(f"{full_meta['lang']}_")
    # The 3.8 releases read each other's pipelines; what we support is what we try.
    full_meta["spacy_version"] = find_supported("spacy")
    package_name = f"{full_meta['lang']}_{name}"
    if KNOWN_NAMES.fullmatch(package_name):
        warnings.warn(
            f"{package_name} is the name of another project's model, so pip may install that one "
            "instead of yours. Choose another name.",
            stacklevel=2,
        )
    folder = output / f"{package_name}-{version}"
    if folder.exists():
        shutil.rmtree(folder)
    output.mkdir(parents=True, exist_ok=True)
    with temporary_folder(output) as tmp:
        staged = tmp / "model"
        shutil.copytree(model, staged)
        srsly.write_json(staged / "meta.json", full_meta)
        clean_model(staged)
        if precision == "half":
            halve_weights(staged)
        if not (staged / "README.md").exists():
            card = generate_readme(srsly.read_json(staged / "meta.json"))
            (staged / "README.md").write_text(card, encoding="utf8")
        package(staged, output, create_sdist=False, create_wheel=False)
    seal_package(folder)
    return build_wheel(folder, folder / "dist")


def check_name(name: str, version: str) -> None:
    """Check the name and version of a package.

    name (str): The name.
    version (str): The version.
    RAISES (ValueError): If Python or pip could not read one of them.
    """
    if NAME.fullmatch(name) is None:
        raise ValueError(
            f"Name '{name}', expected letters from A to Z, digits and underscores, such as "
            "kaggle_ner: a package of this name is installed and imported."
        )
    try:
        Version(version)
    except InvalidVersion as error:
        raise ValueError(
            f"Version '{version}', expected numbers with dots, such as 1.0.0 or 1.0.0rc1: pip "
            "compares versions."
        ) from error


def seal_package(folder: Path) -> None:
    """Write the manifest of the model inside a package folder, and what builds its wheel.

    folder (Path): The folder that `spacy package` made. Its setup.py copies meta.json into
        the model when it builds the wheel; the manifest needs that copy earlier.
    """
    meta = read_meta(folder)
    # spaCy collects them in a set, so their order varies.
    meta["requirements"] = sorted(meta["requirements"])
    srsly.write_json(folder / "meta.json", meta)
    package_name = f"{meta['lang']}_{meta['name']}"
    model = folder / package_name / f"{package_name}-{meta['version']}"
    shutil.copy(folder / "meta.json", model / "meta.json")
    write_manifest(model)
    (folder / "pyproject.toml").write_text(BUILD_SYSTEM, encoding="utf8")


# The first day that a zip archive can name; SOURCE_DATE_EPOCH sets another.
FIRST_DAY = 315_532_800


def build_wheel(source: Path, output: Path) -> Path:
    """Build the wheel of a folder with a setup.py or pyproject.toml, reproducibly.

    source (Path): The folder.
    output (Path): Where the wheel goes.
    RETURNS (Path): The wheel; the same bytes for the same files and build tools.
    RAISES (ValueError): If the build fails, with the last line of pip's message.
    """
    output.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    # Setuptools would pack what an earlier build left there.
    shutil.rmtree(source / "build", ignore_errors=True)
    with temporary_folder() as tmp:
        done = subprocess.run(
            [*command, "--wheel-dir", str(tmp), str(source)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(get_epoch()), "TMPDIR": str(tmp)},
        )
        wheels = list(tmp.glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            reason = find_reason(done.stdout + done.stderr)
            raise ValueError(
                f"{source.resolve()}: pip could not build its wheel ({reason}). The build needs "
                f"{SETUPTOOLS} from pip's index. Check pip's settings and the network."
            )
        shutil.rmtree(source / "build", ignore_errors=True)
        wheel = output / wheels[0].name
        normalise_wheel(wheels[0], wheel)
    return wheel


def check_same(wheels: Sequence[Path], others: Sequence[Path]) -> None:
    """Check that two builds gave the same wheels.

    wheels, others (Sequence[Path]): The wheels of each build, in the same order.
    RAISES (ValueError): With the hashes, if the bytes of two wheels differ.
    """
    for wheel, other in zip(wheels, others, strict=True):
        hashes = [hash_file(path) for path in (wheel, other)]
        if hashes[0] != hashes[1]:
            raise ValueError(
                f"{wheel.name}: two builds of the same files differ (sha256 {hashes[0]} and "
                f"{hashes[1]}). Build again with a clean checkout and the same build tools."
            )


def get_epoch() -> int:
    """RETURNS (int): The date of all files in seconds: SOURCE_DATE_EPOCH, or 1980."""
    return max(FIRST_DAY, int(os.environ.get("SOURCE_DATE_EPOCH") or FIRST_DAY))


def normalise_wheel(source: Path, output: Path) -> None:
    """Rewrite a wheel with sorted files, one date and one mode.

    The files keep their content. RECORD stays valid, because it has no dates.

    source (Path): The wheel.
    output (Path): Where the new wheel goes; not the path of the old one.
    """
    date = time.gmtime(get_epoch())[:6]
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(output, "w") as new:
        # RECORD comes last, as the specification recommends.
        for name in sorted(old.namelist(), key=_sort_key):
            entry = zipfile.ZipInfo(name, date_time=date)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            new.writestr(entry, old.read(name), zipfile.ZIP_DEFLATED, compresslevel=9)


def _sort_key(name: str) -> tuple[bool, bool, str]:
    return name.endswith(".dist-info/RECORD"), ".dist-info/" in name, name
