"""A model folder ↔ the hashes of its files: truncated, changed and missing files are found."""

import json
import shlex
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import spacy
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version
from spacy.language import Language
from spacy.util import get_package_path, is_package

from .files import hash_file, read_json, recover_folder, replaced_files
from .install import PLUGIN, install_packages, list_requirements

MANIFEST = "manifest.json"
_FORMAT = 1
_ENTRY = {"size": int, "sha256": str}
_ADVICE = "Copy or install the model again."


class BrokenModelError(ValueError):
    """A model folder that has changed, or that does not fit the installed versions."""


def write_manifest(folder: Path) -> dict[str, Any]:
    """Record size and sha256 of each file of a model folder, in its manifest.json.

    Hidden files and Python's caches are left out, because they are not part of the model.

    folder (Path): The folder that `nlp.to_disk` wrote.
    RETURNS (Dict[str, Any]): The content of the manifest.
    """
    files = {
        name: {"size": path.stat().st_size, "sha256": hash_file(path)}
        for name, path in _list_files(folder)
    }
    manifest = {"format": _FORMAT, "files": files}
    with replaced_files(folder, force=True) as aside:
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf8")
    return manifest


def _list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        is_own = parts != (MANIFEST,) and "__pycache__" not in parts
        if is_own and path.is_file() and not any(part.startswith(".") for part in parts):
            yield "/".join(parts), path


def check_manifest(folder: Path) -> list[str]:
    """Compare a model folder with its manifest.

    folder (Path): The folder.
    RETURNS (List[str]): Files that were added: the manifest does not name them.
    RAISES (BrokenModelError): If there is no manifest, or a file is missing, truncated
        or changed; the message names each of them.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BrokenModelError(
            f"{folder}: no {MANIFEST}, so its files cannot be checked. Training and packaging "
            "write it. To record the current files of a folder that you trust, run "
            f"{_make_command(folder)}."
        )
    files = read_manifest(folder)
    problems = list(_compare(folder, files))
    if problems:
        raise BrokenModelError(
            f"{folder}: {len(problems)} of {len(files)} files differ from {MANIFEST}: "
            f"{'; '.join(problems)}. {_ADVICE}"
        )
    return [name for name, _ in _list_files(folder) if name not in files]


def _make_command(folder: Path, *, is_there: bool = False) -> str:
    command = f"python -m spacy bert-ner verify {shlex.quote(str(folder))} --write"
    return f"`{command}{' --force' if is_there else ''}`"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read which files a manifest lists.

    folder (Path): The model folder.
    RETURNS (Dict[str, Any]): Size and sha256 of each file, by its name in the folder.
    RAISES (BrokenModelError): If the manifest is missing or damaged.
    """
    path = folder / MANIFEST
    advice = f"The file is damaged. {_ADVICE}"
    keys = {"format": int, "files": dict}
    manifest = read_json(path, keys, advice=advice, error=BrokenModelError)
    if manifest["format"] != _FORMAT:
        raise BrokenModelError(
            f"{path}: format {manifest['format']}, expected {_FORMAT}. Install a newer "
            f"{PLUGIN}, or copy the model again."
        )
    files = manifest["files"]
    if not files:
        raise BrokenModelError(f"{path}: it lists no files, expected those of a model. {advice}")
    for name, entry in files.items():
        kinds = [type(entry.get(key)) for key in _ENTRY] if isinstance(entry, dict) else []
        if kinds != [*_ENTRY.values()] or name.startswith("/") or ".." in name.split("/"):
            raise BrokenModelError(
                f"{path}: the entry of {name!r} is {entry!r}, expected a file of this folder with "
                f"size and sha256. {advice}"
            )
    return files


def _compare(folder: Path, files: dict[str, Any]) -> Iterator[str]:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (size := path.stat().st_size) != expected["size"]:
            yield f"{name} has {size:,} bytes, expected {expected['size']:,}"
        elif (found := hash_file(path)) != expected["sha256"]:
            yield f"{name} has sha256 {found[:12]}…, expected {expected['sha256'][:12]}…"


def read_meta(folder: Path) -> dict[str, Any]:
    """Read the meta.json of a model.

    folder (Path): The model folder, or that of its package.
    RETURNS (Dict[str, Any]): Its content.
    RAISES (BrokenModelError): If it is missing or damaged.
    """
    keys = {"lang": str, "name": str, "version": str}
    return read_json(folder / "meta.json", keys, advice=_ADVICE, error=BrokenModelError)


def check_versions(meta: dict[str, Any]) -> None:
    """Compare the installed versions with those that a model and this plugin need.

    meta (Dict[str, Any]): The model's meta.json.
    RAISES (BrokenModelError): If a version does not fit; the message has the pip command.
    """
    needed = [f"spacy{meta['spacy_version']}"] if meta.get("spacy_version") else []
    needed += meta.get("requirements") or []
    needed += map(str, list_requirements())
    wrong: dict[str, str] = {}
    for text in needed:
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, TypeError) as error:
            raise BrokenModelError(
                f"meta.json: {text!r} is not a requirement, expected one such as "
                f"'spacy>=3.8.7,<3.9'. {_ADVICE}"
            ) from error
        found = find_version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong[f"{requirement.name}{requirement.specifier}"] = found or "not installed"
    if wrong:
        found_text = ", ".join(f"{Requirement(need).name} {has}" for need, has in wrong.items())
        raise BrokenModelError(
            f"{meta.get('lang', '')}_{meta.get('name', '')} {meta.get('version', '')} does not fit "
            f"the installed packages: found {found_text}, expected {', '.join(wrong)}. Install it: "
            f"{install_packages(wrong)}"
        )


def find_supported(name: str) -> str:
    """Get the versions of a distribution that this plugin supports, such as ">=3.8.7,<3.9"."""
    found = [need.specifier for need in list_requirements() if need.name == name]
    return ",".join(sorted(map(str, *found)))


def find_version(name: str) -> str | None:
    """Get the version of an installed distribution; `None` if it is not installed."""
    try:
        # `version` gives `None` if the distribution's metadata is damaged.
        found = version(name)
        Version(found or "")
    except (PackageNotFoundError, InvalidVersion):
        return None
    return found


def find_folder(name: str | Path) -> Path:
    """Find the folder with the files of a model.

    name (str | Path): A model folder, or the name of an installed model package. As for
        `spacy.load`, a text that is both names the package.
    RETURNS (Path): The folder that contains config.cfg.
    RAISES (FileNotFoundError): If there is neither.
    """
    folder = Path(name)
    if isinstance(name, str) and is_package(name):
        package = get_package_path(name)
        meta = read_meta(package)
        folder = package / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    else:
        recover_folder(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{name}: no such folder and no installed package, expected a model. Install its "
            "wheel, or pass the folder that training or packaging wrote."
        )
    return folder


def verify(name: str | Path) -> int:
    """Check the files of a model, and whether the installed versions fit it.

    name (str | Path): A model folder, or the name of an installed model package.
    RETURNS (int): Number of compared files.
    RAISES (FileNotFoundError): If there is no such model.
    RAISES (BrokenModelError): If a file is missing, changed or added, or a version does
        not fit.
    """
    folder = find_folder(name)
    added = check_manifest(folder)
    n_files = len(read_manifest(folder))
    if added:
        raise BrokenModelError(
            f"{folder}: added since {MANIFEST} was written: {', '.join(added)}; its {n_files} "
            "other files are unchanged. Remove the added files, or record them with "
            f"{_make_command(folder, is_there=True)}."
        )
    check_versions(read_meta(folder))
    return n_files


def load_checked(name: str | Path, **options: Any) -> Language:
    """Load a model as `spacy.load` does, after checking its files and versions.

    It warns if the folder has no manifest, or files that the manifest does not list.

    name (str | Path): A model folder, or the name of an installed model package.
    **options (Any): Options of `spacy.load`: vocab, disable, enable, exclude, config.
    RETURNS (Language): The pipeline.
    RAISES (FileNotFoundError): If there is no such model.
    RAISES (BrokenModelError): If a file is missing, truncated or changed, or a version
        does not fit; the message has the names and the pip command.
    """
    folder = find_folder(name)
    if not (folder / MANIFEST).exists():
        advice = f"To write it, run {_make_command(folder)}."
        text = f"{folder} has no {MANIFEST}, so its files are loaded unchecked. {advice}"
        warnings.warn(text, stacklevel=2)
    elif added := check_manifest(folder):
        text = f"{folder} has files that {MANIFEST} does not name: {', '.join(added)}. "
        warnings.warn(text + "Remove them if they are not part of the model.", stacklevel=2)
    check_versions(read_meta(folder))
    return spacy.load(folder, **options)
