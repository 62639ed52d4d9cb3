"""A model folder → a repository on the Hugging Face hub, shown before it is sent."""

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import srsly

from ..fetch.hub import describe_hub_error, find_hub_errors, is_offline
from ..fetch.trust import check_folder
from ..manifest import MANIFEST, check_manifest, read_manifest, read_meta, write_manifest
from ..package.clean import STRINGS, clean_model
from ..scratch import temporary_folder
from .card import CARD, complete_card, make_card
from .endpoint import write_endpoint

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Files that can run code when they are read; spaCy's own lookups.bin cannot.
PICKLES = re.compile(r".*\.(ckpt|pickle|pkl|pt|pth)|(pytorch_model|training_args).*\.bin")
# What spaCy, this package and `to-hf` write; nothing else in a folder is sent.
SENT = re.compile(
    r"(model|cfg|tokenizer|vectors|key2row|moves|contents|trees|patterns|LICENSE|NOTICE|lookups\.bin)"
    r"|[^.].*\.(cfg|json|jsonl|md|model|msg|safetensors|txt)"
)


class Upload(NamedTuple):
    """What was sent, or would be.

    repo (str): OWNER/NAME.
    layout (str): "spacy" or "transformers".
    files (Dict[str, int]): Size of each file in bytes.
    left_out (List[str]): Files of the folder that are not sent, besides hidden ones: links,
        and kinds that no model has.
    card (str): The model card.
    url (str | None): Address of the repository; `None` after a dry run.
    """

    repo: str
    layout: str
    files: dict[str, int]
    left_out: list[str]
    card: str
    url: str | None


def push_model(
    model: Path,
    repo: str,
    *,
    upload: bool = False,
    private: bool | None = None,
    wheel: Path | None = None,
    plugin: Path | None = None,
) -> Upload:
    """Upload a model folder to the hub with a card, or show what would be sent.

    All checks come first: nothing is sent, and no repository is made, if one of them
    fails. Words of the training data and paths of this machine are not sent;
    see `clean_model`. huggingface_hub finds the token itself (HF_TOKEN, or
    `hf auth login`); it is neither read, shown nor stored here. HF_ENDPOINT and
    HF_HUB_OFFLINE are respected.

    model (Path): A pipeline, or a checkpoint that `to-hf` wrote.
    repo (str): OWNER/NAME; created if it does not exist.
    upload (bool): Whether to send it. Otherwise, nothing leaves the machine.
    private (bool | None): Whether a new repository is private; `None` for the
        organisation's default.
    wheel (Path | None): The model's wheel, which is sent too.
    plugin (Path | None): The wheel of spacy-bert-ner, which is sent too, with a
        requirements.txt from which inference endpoints install it.
    RETURNS (Upload): What was sent, or would be.
    RAISES (BrokenModelError): If a file differs from the manifest.
    RAISES (ValueError): If the folder is not a model, contains pickles or a damaged card, or
        the hub refuses it.
    """
    if REPO.fullmatch(repo) is None:
        raise ValueError(f"Repository '{repo}', expected OWNER/NAME, such as acme/en_kaggle_ner.")
    for path in (wheel, plugin):
        if path is not None and not (path.suffix == ".whl" and path.is_file()):
            raise ValueError(f"{path}: not a wheel, expected a file that ends in .whl. Build it.")
    layout = find_folder_kind(model)
    if (model / MANIFEST).is_file():
        check_manifest(model)
    if upload and is_offline():
        raise ValueError(f"{repo}: HF_HUB_OFFLINE is set, so nothing is sent. Unset it to upload.")
    with staged(model, layout) as (folder, left_out):
        if wheel is not None:
            check_wheel(wheel, folder)
            shutil.copy(wheel, folder)
        if plugin is not None:
            plugin = Path(shutil.copy(plugin, folder))
        write_card(folder, layout, model.resolve().name)
        if layout == "spacy":
            host = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
            write_endpoint(folder, repo, plugin=plugin, host=host)
        write_manifest(folder)
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        card = (folder / CARD).read_text(encoding="utf8")
        url = send(folder, repo, private=private) if upload else None
    return Upload(repo, layout, files, left_out, card, url)


def find_folder_kind(model: Path) -> str:
    """Find out whether a folder is a pipeline or a checkpoint.

    model (Path): The folder.
    RETURNS (str): "spacy" or "transformers".
    RAISES (ValueError): If it is neither, or contains pickles.
    """
    pickles = sorted(path.name for path in model.rglob("*") if PICKLES.fullmatch(path.name))
    if pickles:
        raise ValueError(
            f"{model}: {', '.join(pickles)} can run code when it is read, expected data only. "
            "Remove it, or write the model again."
        )
    if (model / "config.cfg").is_file() and (model / "meta.json").is_file():
        return "spacy"
    if (model / "config.json").is_file() and any(model.glob("*.safetensors")):
        return "transformers"
    raise ValueError(
        f"{model}: not a model, expected a pipeline (config.cfg, meta.json) or a checkpoint "
        "that `to-hf` wrote (config.json, model.safetensors)."
    )


@contextmanager
def staged(model: Path, layout: str) -> Iterator[tuple[Path, list[str]]]:
    """Make a cleaned copy of a model, with only the files that may be sent.

    model (Path): The model folder; it is not changed.
    layout (str): "spacy" or "transformers".
    YIELDS (Tuple[Path, List[str]]): The copy, and the names of the files left out.
    RAISES (ValueError): If a file of the model itself would be left out.
    """
    with temporary_folder() as tmp:
        folder = tmp / "model"
        folder.mkdir()
        left_out = []
        # Links are not followed: they may lead anywhere.
        for root, folders, names in os.walk(model):
            place = Path(root).relative_to(model)
            links = [name for name in folders if (Path(root) / name).is_symlink()]
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            for name in sorted(name for name in (*names, *links) if not name.startswith(".")):
                path = Path(root) / name
                if path.is_symlink() or SENT.fullmatch(name) is None:
                    left_out.append((place / name).as_posix())
                    continue
                (folder / place).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / place / name)
        check_complete(model, folder, layout, left_out)
        clean_model(folder)
        yield folder, left_out


def check_complete(model: Path, folder: Path, layout: str, left_out: list[str]) -> None:
    """Refuse a copy that lacks a file of the model.

    model, folder (Path): The model folder and the copy.
    layout (str): "spacy" or "transformers".
    left_out (List[str]): Files that the copy lacks.
    RAISES (ValueError): If one of them belongs to the model.
    """
    named = set(read_manifest(model)) if (model / MANIFEST).is_file() else set()
    lost = sorted(named.intersection(left_out))
    if layout == "transformers":
        check_folder(folder)
    elif not lost:
        wanted = ("config.cfg", "meta.json", f"vocab/{STRINGS}")
        lost = [name for name in wanted if not (folder / name).is_file()]
    if lost:
        raise ValueError(
            f"{model}: {', '.join(lost)} cannot be sent, expected plain files of the kinds that "
            "spaCy writes. Write the model again with `nlp.to_disk`."
        )


def check_wheel(wheel: Path, folder: Path) -> None:
    """Refuse a wheel that is damaged, or has words that the pipeline does not need.

    wheel (Path): The wheel.
    folder (Path): The cleaned model.
    RAISES (ValueError): If the wheel is one of these.
    """
    path = folder / "vocab" / STRINGS
    needed = set(srsly.read_json(path)) if path.is_file() else set()
    if not zipfile.is_zipfile(wheel):
        return
    with zipfile.ZipFile(wheel) as file:
        if broken := file.testzip():
            raise ValueError(f"{wheel}: the file {broken} in it is damaged. Build it again.")
        names = [name for name in file.namelist() if name.endswith(f"/vocab/{STRINGS}")]
        words = {word for name in names for word in srsly.json_loads(file.read(name))}
    if needed and words - needed:
        raise ValueError(
            f"{wheel}: its vocabulary has {len(words - needed):,} strings that the pipeline does "
            "not need: they may be words of the training data. Build it again with this version."
        )


def write_card(folder: Path, layout: str, name: str) -> None:
    """Write the model's card, or complete the one that is there.

    folder (Path): The folder that is sent.
    layout (str): "spacy" or "transformers".
    name (str): Name of a model without a meta.json.
    RAISES (ValueError): If the metadata of the card cannot be read.
    """
    path = folder / CARD
    text = path.read_text(encoding="utf8") if path.is_file() else ""
    meta = read_meta(folder) if layout == "spacy" else {"name": name}
    path.write_text(complete_card(text, make_card(meta, layout=layout)), encoding="utf8")


def send(folder: Path, repo: str, *, private: bool | None) -> str:
    """Upload a folder.

    folder (Path): What to send.
    repo (str): OWNER/NAME.
    private (bool | None): Whether a new repository is private; `None` for the
        organisation's default.
    RETURNS (str): The address of the repository.
    RAISES (ValueError): If the hub cannot be reached or refuses it.
    """
    # Imported late: it is slow, and a dry run does not need it.
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        url = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="Upload by spacy-bert-ner"
        )
    except find_hub_errors() as error:
        raise ValueError(
            f"{repo}: the hub did not accept it ({describe_hub_error(error)}). Log in with "
            "`hf auth login` or set HF_TOKEN to a token that may write there, and check the name "
            "and the network."
        ) from None
    return str(url)
