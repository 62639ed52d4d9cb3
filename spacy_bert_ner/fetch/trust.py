"""A folder in Hugging Face layout → checked to be complete, undamaged and data only."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..files import hash_file, read_json

# The files of a checkpoint that are text; the weights are next to them.
CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
WEIGHTS, SHARDS = "*.safetensors", "model.safetensors.index.json"
LOCK_NAME = "encoder.lock.json"
ADVICE = (
    "Get one with `python -m spacy project run encoder`, or set `name` (in project "
    "configs: paths.encoder) to another local folder in Hugging Face layout: config.json, "
    "model.safetensors and the tokenizer's files."
)
AGAIN = "Fetch the encoder again; in a project, run `python -m spacy project run encoder`."


def check_folder(path: Path, *, weights: bool = True) -> None:
    """Refuse a folder that is incomplete or damaged, or that contains more than data.

    path (Path): The folder. Its files are compared with its encoder.lock.json, if it
        has one.
    weights (bool): Whether to check the weights too, at a second per gigabyte.
    RAISES (FileNotFoundError): If the folder or one of its files is missing.
    RAISES (ValueError): If its weights are pickles, a file is damaged, or its configs
        refer to code.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder, expected an encoder. {ADVICE}")
    check_lock(path, weights=weights)
    if not (path / CONFIG).is_file():
        raise FileNotFoundError(f"{path}: no {CONFIG} in this folder. {ADVICE}")
    if not any(path.glob(WEIGHTS)):
        kind = ValueError if any(path.glob("*.bin")) else FileNotFoundError
        raise kind(
            f"{path}: no model.safetensors in this folder. Pickled weights (pytorch_model.bin) can "
            "run code when they are read, so they are refused. If you trust them, convert them "
            f"with `model.save_pretrained(folder)`. {ADVICE}"
        )
    for file in sorted(path.glob("*.json")):
        refuse_code(_read_checkpoint_json(file), str(file))
    if weights:
        check_weights(path)


def check_lock(folder: Path, *, weights: bool = True) -> None:
    """Compare an encoder's files with the hashes that were recorded when it was fetched.

    folder (Path): The folder; without an encoder.lock.json there is nothing to compare.
    weights (bool): Whether to compare the weights too.
    RAISES (ValueError): If a file is missing or has changed, or the lock is damaged.
    """
    if not (folder / LOCK_NAME).is_file():
        return
    for name, expected in read_lock(folder)["sha256"].items():
        path = folder / name
        if path.match(WEIGHTS) and not weights and path.is_file():
            continue
        found = hash_file(path) if path.is_file() else None
        if found != expected:
            what = f"has sha256 {found[:12]}…" if found else "is missing"
            raise ValueError(
                f"{path} {what}, expected {str(expected)[:12]}… as in {LOCK_NAME}: the encoder "
                f"was damaged or changed after it was fetched. {AGAIN}"
            )


def read_lock(folder: Path) -> dict[str, Any]:
    """Read what was recorded when an encoder was fetched.

    folder (Path): The encoder's folder.
    RETURNS (Dict[str, Any]): Its source, name, revision, license and sha256 of its files.
    RAISES (ValueError): If the record is missing or damaged.
    """
    keys = {"source": str, "name": str, "revision": str, "license": str, "sha256": dict}
    return read_json(folder / LOCK_NAME, keys, advice=AGAIN)


def check_weights(folder: Path) -> None:
    """Refuse weights that are truncated or incomplete.

    folder (Path): The folder of a checkpoint.
    RAISES (ValueError): If a safetensors file cannot be opened, or a shard is missing.
    """
    for path in sorted(folder.glob(WEIGHTS)):
        try:
            with safe_open(path, framework="np") as file:
                n_tensors = len(file.keys())
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{path}: {path.stat().st_size:,} bytes, but not a complete safetensors file "
                f"({error}): it was cut or damaged. {AGAIN}"
            ) from error
        if not n_tensors:
            raise ValueError(f"{path}: no weights in this file, expected an encoder. {AGAIN}")
    if (folder / SHARDS).is_file():
        shards = read_json(folder / SHARDS, {"weight_map": dict}, advice=AGAIN)["weight_map"]
        missing = sorted(
            {str(name) for name in shards.values() if not (folder / str(name)).is_file()}
        )
        if missing:
            raise ValueError(f"{folder}: {', '.join(missing)} missing, named in {SHARDS}. {AGAIN}")


def _read_checkpoint_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: not readable as JSON ({error}), it may be truncated. {AGAIN}"
        ) from error


def refuse_code(config: Any, place: str) -> None:
    """Refuse a checkpoint's config that refers to code.

    config (Any): The parsed JSON, searched at any depth.
    place (str): Its name in the message.
    RAISES (ValueError): If it has `auto_map` or `trust_remote_code`, or names a
        kernel (an attention implementation with a "/").
    """
    entries = config.items() if isinstance(config, dict) else []
    for key, value in entries:
        if (key == "auto_map" and value) or (key == "trust_remote_code" and value):
            raise ValueError(
                f"{place}: refused, because `{key}` = {value!r} makes Hugging Face run Python "
                "code that comes with the encoder; expected a built-in architecture. "
                "Choose an encoder without its own code."
            )
        if "attn_implementation" in key and "/" in str(value):
            raise ValueError(
                f"{place}: refused, because `{key}` = {value!r} downloads a compiled kernel from "
                "a hub and runs it; expected sdpa or eager. Remove the entry."
            )
        refuse_code(value, place)
    for value in config if isinstance(config, list) else []:
        refuse_code(value, place)
