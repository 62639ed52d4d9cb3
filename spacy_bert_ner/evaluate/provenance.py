"""A model, its data and this machine → everything needed to repeat a run."""

import hashlib
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training.corpus import walk_corpus

from ..files import hash_file

PACKAGES = (
    "spacy-bert-ner",
    "spacy",
    "spacy-transformers",
    "thinc",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
)


def describe_pipeline(
    nlp: Language, path: str | Path, *, title: str | None = None
) -> dict[str, Any]:
    """Describe a model.

    nlp (Language): The pipeline, loaded from a folder or a package.
    path (str | Path): The folder or package, as the user named it.
    title (str | None): Title of the model; `None` to use `find_title`.
    RETURNS (Dict[str, Any]): Title, path, name, version, language, components, labels,
        seed, config, calibration errors on the dev set before and after calibrating
        (`None` without), size in bytes, and one hash over the names and hashes of all
        its files.
    """
    dev = nlp.meta.get("performance", {})
    folder = nlp.path
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    config = nlp.config.copy()
    return {
        "title": title or find_title(nlp.meta, path),
        "path": str(path),
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "lang": nlp.lang,
        "pipeline": list(nlp.pipe_names),
        "labels": sorted({x for labels in nlp.pipe_labels.values() for x in labels}),
        "seed": config.interpolate().get("training", {}).get("seed"),
        "dev_ece": {"before": dev.get("ents_ece_uncalibrated"), "after": dev.get("ents_ece")},
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": hash_files(files, folder),
        "config": config.to_str(),
    }


def find_title(meta: dict[str, Any], path: str | Path) -> str:
    """Find a title for a model: its name and version, or its folder if it has no name.

    meta (Dict[str, Any]): The pipeline's meta.json.
    path (str | Path): The folder or package, as the user named it.
    RETURNS (str): The title.

    EXAMPLE:
        >>> find_title({"lang": "en", "name": "kaggle_ner", "version": "0.1.0"}, "models/kaggle")
        'en_kaggle_ner 0.1.0'
        >>> find_title({"lang": "en", "name": "pipeline", "version": "0.0.0"}, "training/full/best")
        'full/best'
    """
    # spaCy calls every pipeline "pipeline" until it is packaged.
    if meta["name"] != "pipeline":
        return f"{meta['lang']}_{meta['name']} {meta['version']}"
    return "/".join(Path(path).resolve().parts[-2:])


def hash_files(files: Sequence[Path], root: Path) -> str:
    """Compute one sha256 for several files: the hash of their list from `sha256sum`.

    files (Sequence[Path]): The files, in order.
    root (Path): The folder that their names are relative to.
    RETURNS (str): 64 hex digits.
    """
    rows = [f"{hash_file(file)}  {file.relative_to(root).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """Describe a data file.

    path (Path): A `.spacy` file, or a folder of them.
    RETURNS (Dict[str, Any]): Path, size in bytes and sha256.
    """
    files = sorted(walk_corpus(path, ".spacy"))
    return {
        "path": str(path),
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": hash_files(files, path) if path.is_dir() else hash_file(path),
    }


def describe_machine() -> dict[str, Any]:
    """Describe the machine: versions, processor, memory and GPU."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _find_processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": gpu,
        "packages": {name: _find_version(name) for name in PACKAGES},
    }


def _find_processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
