"""A model folder → a repository on the Hugging Face hub, shown before it is sent."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import srsly

from ..manifest import MANIFEST, check_manifest, write_manifest
from .card import make_card

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Files that can run code when they are read; spaCy's own lookups.bin cannot.
PICKLES = re.compile(r".*\.(ckpt|pickle|pkl|pt|pth)|(pytorch_model|training_args).*\.bin")
CARD = "README.md"


class Upload(NamedTuple):
    """What is sent, or was.

    repo (str): OWNER/NAME.
    layout (str): "spacy" or "transformers".
    files (Dict[str, int]): Size of each file in bytes.
    card (str): The model card.
    url (str | None): Where it is now; `None` after a dry run.
    """

    repo: str
    layout: str
    files: dict[str, int]
    card: str
    url: str | None


def push_model(
    model: Path,
    repo: str,
    *,
    upload: bool = False,
    private: bool = False,
    wheel: Path | None = None,
) -> Upload:
    """Upload a model folder to the hub, with a card; or only say what would be sent.

    A folder with a manifest is checked before. The token is huggingface_hub's own
    affair (HF_TOKEN, or `hf auth login`): it is neither read, shown nor stored here.
    HF_ENDPOINT and HF_HUB_OFFLINE are respected.

    model (Path): A pipeline, or a checkpoint that `to-hf` wrote.
    repo (str): OWNER/NAME; made if it is not there.
    upload (bool): Send it. Otherwise nothing leaves the machine.
    private (bool): Make the repository private, if it is made.
    wheel (Path | None): The model's wheel, to be sent too.
    RETURNS (Upload): What was sent, or would be.
    RAISES (BrokenModelError): If a file is not as the manifest says.
    RAISES (ValueError): If it is no model, holds pickles, or the hub refuses it.
    """
    if REPO.fullmatch(repo) is None:
        raise ValueError(f"Repository '{repo}', expected OWNER/NAME, such as acme/en_kaggle_ner.")
    layout = find_folder_kind(model)
    if (model / MANIFEST).is_file():
        check_manifest(model)
    with staged(model, layout, wheel) as folder:
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        card = (folder / CARD).read_text(encoding="utf8")
        url = send(folder, repo, private=private) if upload else None
    return Upload(repo, layout, files, card, url)


def find_folder_kind(model: Path) -> str:
    """Tell a pipeline from a checkpoint.

    model (Path): The folder.
    RETURNS (str): "spacy" or "transformers".
    RAISES (ValueError): If it is neither, or holds pickles.
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
        f"{model}: no model, expected a pipeline (config.cfg, meta.json) or what `to-hf` wrote "
        "(config.json, model.safetensors)."
    )


@contextmanager
def staged(model: Path, layout: str, wheel: Path | None) -> Iterator[Path]:
    """Give a folder with exactly what is sent.

    model (Path): The model folder; it stays as it is.
    layout (str): "spacy" or "transformers".
    wheel (Path | None): The model's wheel.
    YIELDS (Path): A copy without hidden files, with a card and a manifest.
    """
    with tempfile.TemporaryDirectory(prefix="push-") as tmp:
        folder = Path(tmp) / "model"
        shutil.copytree(model, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.pyc"))
        if wheel is not None:
            shutil.copy(wheel, folder)
        if layout == "spacy":
            write_card(folder)
        write_manifest(folder)
        yield folder


def write_card(folder: Path) -> None:
    """Write the card of a pipeline, around the text of an older one.

    folder (Path): The pipeline's folder.
    """
    path = folder / CARD
    text = path.read_text(encoding="utf8") if path.is_file() else ""
    if text.startswith("---\n"):
        return
    card = make_card(srsly.read_json(folder / "meta.json"), layout="spacy")
    if text:
        # The metadata of the new one, the text of the old one.
        card = f"{card[: card.index('---', 4)]}---\n\n{text}"
    path.write_text(card, encoding="utf8")


def send(folder: Path, repo: str, *, private: bool) -> str:
    """Upload a folder.

    folder (Path): What to send.
    repo (str): OWNER/NAME.
    private (bool): Whether a new repository is private.
    RETURNS (str): The address of the repository.
    RAISES (ValueError): If the hub cannot be reached or refuses it.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ValueError(f"{repo}: HF_HUB_OFFLINE is set, so nothing is sent. Unset it to upload.")
    # Imported late: it is slow, and a dry run does without it.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from requests.exceptions import RequestException

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        url = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="Upload by spacy-bert-ner"
        )
    except (HfHubHTTPError, RequestException, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = f"status {status}" if status else type(error).__name__
        raise ValueError(
            f"{repo}: the hub did not take it ({reason}). Log in with `hf auth login` or set "
            "HF_TOKEN to a token that may write there, and check the name and the network."
        ) from None
    return str(url)
