"""A model folder ↔ the hashes of its files: nothing cut, changed or lost goes unnoticed."""

import json
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import spacy
from packaging.requirements import Requirement
from spacy.language import Language
from spacy.util import SimpleFrozenDict, get_package_path, is_package, load_meta

from .files import hash_file

MANIFEST = "manifest.json"
PLUGIN = "spacy-bert-ner"


class BrokenModelError(ValueError):
    """A model folder that is not as it was written, or that this environment does not fit."""


def write_manifest(folder: Path) -> dict[str, Any]:
    """Record size and sha256 of each file of a model folder, in its manifest.json.

    folder (Path): The folder that `nlp.to_disk` wrote.
    RETURNS (Dict[str, Any]): The content of the manifest.
    """
    files = {
        path.relative_to(folder).as_posix(): {
            "size": path.stat().st_size,
            "sha256": hash_file(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST and "__pycache__" not in path.parts
    }
    manifest = {"format": 1, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf8")
    return manifest


def check_manifest(folder: Path) -> int:
    """Compare a model folder with its manifest.

    folder (Path): The folder.
    RETURNS (int): How many files were compared.
    RAISES (BrokenModelError): If there is no manifest, or a file is missing, cut or
        changed; each of them is named.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BrokenModelError(
            f"{folder}: no {MANIFEST}, so its files cannot be checked. Packaging writes it; for a "
            f"folder that you trust as it is, write it with `python -m spacy bert-ner verify "
            f"{folder} --write`."
        )
    try:
        files = json.loads(path.read_text(encoding="utf8"))["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenModelError(
            f"{path}: cannot be read ({error}), expected the list of the model's files. Copy or "
            "install the model again."
        ) from error
    problems = list(_compare(folder, files))
    if problems:
        raise BrokenModelError(
            f"{folder}: {len(problems)} of {len(files)} files are not as they were written: "
            f"{'; '.join(problems)}. Copy or install the model again."
        )
    return len(files)


def _compare(folder: Path, files: dict[str, Any]) -> Iterator[str]:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
            continue
        size = path.stat().st_size
        if size != expected["size"]:
            yield f"{name} has {size:,} bytes, expected {expected['size']:,}"
            continue
        found = hash_file(path)
        if found != expected["sha256"]:
            yield f"{name} has sha256 {found[:12]}…, expected {expected['sha256'][:12]}…"


def check_versions(meta: dict[str, Any]) -> None:
    """Compare what is installed with what a model and this plugin need.

    meta (Dict[str, Any]): The model's meta.json.
    RAISES (BrokenModelError): If a version does not fit; with the pip command.
    """
    needed = [f"spacy{meta['spacy_version']}"] if meta.get("spacy_version") else []
    needed += meta.get("requirements", [])
    needed += [text for text in requires(PLUGIN) or [] if "extra ==" not in text]
    wrong: dict[str, str] = {}
    for requirement in map(Requirement, needed):
        found = find_version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong[f"{requirement.name}{requirement.specifier}"] = found or "not installed"
    if wrong:
        found_text = ", ".join(f"{Requirement(need).name} {has}" for need, has in wrong.items())
        raise BrokenModelError(
            f"{meta.get('lang', '')}_{meta.get('name', '')} {meta.get('version', '')} does not fit "
            f"what is installed: found {found_text}, expected {', '.join(wrong)}. Install it: "
            f"pip install {' '.join(repr(need) for need in wrong)}"
        )


def find_supported(name: str) -> str:
    """Give the versions of a distribution that this plugin supports, as ">=3.8.7,<3.9"."""
    found = [Requirement(text) for text in requires(PLUGIN) or [] if "extra ==" not in text]
    return ",".join(sorted(map(str, *(need.specifier for need in found if need.name == name))))


def find_version(name: str) -> str | None:
    """Give the version of an installed distribution; `None` if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def find_folder(name: str | Path) -> Path:
    """Find the folder with the files of a model.

    name (str | Path): A model folder, or the name of an installed model package.
    RETURNS (Path): The folder that has config.cfg.
    RAISES (FileNotFoundError): If there is neither.
    """
    folder = Path(name)
    if not folder.exists() and is_package(str(name)):
        package = get_package_path(str(name))
        meta = load_meta(package / "meta.json")
        folder = package / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{name}: no such folder and no installed package, expected a model. Install its "
            "wheel, or give the folder that training or packaging wrote."
        )
    return folder


def verify(name: str | Path) -> int:
    """Check the files of a model, and that the installed versions fit it.

    name (str | Path): A model folder, or the name of an installed model package.
    RETURNS (int): How many files were compared.
    RAISES (FileNotFoundError): If there is no such model.
    RAISES (BrokenModelError): With what is wrong and what to do.
    """
    folder = find_folder(name)
    n_files = check_manifest(folder)
    check_versions(load_meta(folder / "meta.json"))
    return n_files


def load_checked(name: str | Path, **options: Any) -> Language:
    """Load a model as `spacy.load` does, after checking its files and versions.

    A folder without a manifest, as training leaves it, is loaded with a warning.

    name (str | Path): A model folder, or the name of an installed model package.
    **options (Any): As `spacy.load` takes them: vocab, disable, enable, exclude, config.
    RETURNS (Language): The pipeline.
    RAISES (FileNotFoundError): If there is no such model.
    RAISES (BrokenModelError): If a file is missing, cut or changed, or a version does
        not fit; with the names, and the pip command.
    """
    folder = find_folder(name)
    if (folder / MANIFEST).exists():
        check_manifest(folder)
    else:
        warnings.warn(
            f"{folder} has no {MANIFEST}, so its files are loaded unchecked. Packaging writes it, "
            f"and so does `python -m spacy bert-ner verify {folder} --write`.",
            stacklevel=2,
        )
    meta = folder / "meta.json"
    check_versions(load_meta(meta) if meta.is_file() else {})
    options.setdefault("config", SimpleFrozenDict())
    return spacy.load(folder, **options)
