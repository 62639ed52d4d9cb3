"""A folder in Hugging Face layout → checked to be complete and to be data only."""

import json
from pathlib import Path
from typing import Any

# the files of a checkpoint that are text; the weights are beside them
CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
ADVICE = (
    "Get one with `python -m spacy project run encoder`, or set `name` (in project "
    "configs: paths.encoder) to another local folder in Hugging Face layout: config.json, "
    "model.safetensors and the tokenizer's files."
)


def check_folder(path: Path) -> None:
    """Refuse a folder that is incomplete or that asks for more than data.

    path (Path): The folder.
    RAISES (FileNotFoundError): If the folder or one of its files is not there.
    RAISES (ValueError): If its weights are pickles, or its configs refer to code.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder, expected an encoder. {ADVICE}")
    if not (path / CONFIG).is_file():
        raise FileNotFoundError(f"{path}: no {CONFIG} in this folder. {ADVICE}")
    if not any(path.glob("*.safetensors")):
        pickles = sorted(file.name for file in path.glob("*.bin"))
        if pickles:
            raise ValueError(
                f"{path}: the weights are {', '.join(pickles)}, a pickle, which can run code when "
                "it is read; expected model.safetensors. Convert it where you trust it: "
                "model.save_pretrained(folder, safe_serialization=True)."
            )
        raise FileNotFoundError(f"{path}: no model.safetensors in this folder. {ADVICE}")
    for name in (CONFIG, TOKENIZER_CONFIG):
        if (path / name).is_file():
            refuse_code(json.loads((path / name).read_text("utf8")), f"{path / name}")


def refuse_code(config: Any, place: str) -> None:
    """Refuse a checkpoint's config that refers to code.

    config (Any): The parsed JSON; looked through to any depth.
    place (str): What to call it in the message.
    RAISES (ValueError): If it has `auto_map` or `trust_remote_code`, or names a
        kernel (an attention implementation with a "/").
    """
    entries = config.items() if isinstance(config, dict) else []
    for key, value in entries:
        if (key == "auto_map" and value) or (key == "trust_remote_code" and value):
            raise ValueError(
                f"{place}: refused, because `{key}` = {value!r} makes Hugging Face run Python "
                "code that comes with the encoder; expected a built-in architecture. "
                "Choose an encoder without own code."
            )
        if "attn_implementation" in key and "/" in str(value):
            raise ValueError(
                f"{place}: refused, because `{key}` = {value!r} downloads a compiled kernel from "
                "a hub and runs it; expected sdpa or eager. Remove the entry."
            )
        refuse_code(value, place)
    for value in config if isinstance(config, list) else []:
        refuse_code(value, place)
