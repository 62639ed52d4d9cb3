"""Files in a temporary folder → their place on disk, all at once, without touching others."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from .moves import move_files, recover_files, sync_folder
from .scratch import explained, held, temporary_folder
from .targets import read_record


@contextmanager
def replaced_folder(path: Path, *, record: str) -> Iterator[Path]:
    """Provide a new folder to fill, which replaces another one at the end.

    Whenever the process is killed, either the old or the new folder is complete; after
    a kill between the two renames, `recover_folder` restores it. If filling the folder
    fails, the old one is unchanged.

    path (Path): The folder to replace or create. Links are followed.
    record (str): Name of the file in the old folder that lists the files written there:
        only these are removed, others are kept.
    YIELDS (Path): An empty folder next to it.
    RAISES (BlockingIOError): If another process is replacing the folder.
    RAISES (OSError): If it can't be written, for example because the disk is full.
    """
    path = Path(os.path.realpath(path))
    recover_folder(path)
    aside, old = _name_aside(path), _name_old(path)
    with explained(path), ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_alone(aside, path, stack)
        try:
            shutil.rmtree(old, ignore_errors=True)
            yield aside
            if path.exists():
                _keep_others(path, aside, read_record(path / record))
            _sync(aside)
            if path.exists():
                path.rename(old)
            try:
                aside.rename(path)
            except OSError:
                if aside.exists():  # otherwise another process has recovered it meanwhile
                    if old.exists():
                        old.rename(path)
                    raise
        except BaseException:
            recover_folder(path)
            shutil.rmtree(aside, ignore_errors=True)
            raise
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _make_alone(aside: Path, path: Path, stack: ExitStack) -> None:
    try:
        if aside.exists():  # left by a killed process, unless another one holds it
            # Moved first: a child of the killed process may still be writing to it.
            with held(aside), temporary_folder(aside.parent) as removed:
                aside.rename(removed / aside.name)
        aside.mkdir()
        stack.enter_context(held(aside))
    except (BlockingIOError, FileExistsError, FileNotFoundError) as error:
        raise BlockingIOError(
            f"{path}: another process is writing it. Wait until that has ended, or choose another "
            "location."
        ) from error


def recover_folder(path: Path) -> None:
    """Finish replacing a folder, or files in it, after the process was killed.

    path (Path): The folder.
    """
    path = Path(os.path.realpath(path))
    recover_files(path)
    old, aside = _name_old(path), _name_aside(path)
    # The old folder is renamed only when the new one is complete.
    if old.exists() and not path.exists():
        (aside if aside.exists() else old).rename(path)


def _name_aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _name_old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _keep_others(folder: Path, new: Path, written: set[str]) -> None:
    # Links, so that the old folder is complete until the new one is in its place.
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.as_posix() in written or os.path.lexists(new / name):
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                (new / name).mkdir(parents=True)
            continue
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, new / name, follow_symlinks=False)
        except OSError:  # a file system without links
            shutil.copy2(path, new / name, follow_symlinks=False)


@contextmanager
def replaced_files(
    folder: Path, *, force: bool = False, record: str | None = None
) -> Iterator[Path]:
    """Provide an empty folder to fill; at the end, its files move to another folder.

    All of them move, or none, even if the process is killed meanwhile; see `move_files`.

    folder (Path): The folder that they move to; its other files are not changed.
    force (bool): Whether files of the same name are replaced.
    record (str | None): Name of the file that lists what an earlier command wrote
        there: those files are replaced or removed.
    YIELDS (Path): The empty folder.
    RAISES (TargetExistsError): If a file of the same name exists, without `force`.
    RAISES (OSError): If it can't be written, for example because the disk is full.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        recover_files(folder)
        try:
            with temporary_folder(folder) as aside:
                yield aside
                _sync(aside)
                move_files(aside, folder, force=force, record=record)
        except BaseException:
            for place in made:
                with suppress(OSError):
                    place.rmdir()
            raise


def _sync(folder: Path) -> None:
    # The files must reach the disk before the rename does.
    for root, _, files in os.walk(folder):
        for path in (Path(root) / name for name in files):
            if not path.is_symlink():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        sync_folder(Path(root))


def hash_file(path: Path) -> str:
    """Compute the sha256 of a file as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_NOTHING: Any = object()


def read_json(
    path: Path,
    keys: Mapping[str, type | tuple[type, ...]],
    *,
    advice: str,
    error: type[ValueError] = ValueError,
) -> dict[str, Any]:
    """Read a JSON file that contains one object.

    path (Path): The file.
    keys (Mapping[str, type | Tuple[type, ...]]): Required keys, and the type of each
        value; "a.b" is the key b of the object at the key a.
    advice (str): What to do about a damaged file; the end of the message.
    error (type): The exception to raise.
    RETURNS (Dict[str, Any]): The object.
    RAISES (ValueError): If the file is missing or damaged.
    """
    wanted = f"expected a JSON object with {', '.join(keys)}" if keys else "expected a JSON object"
    try:
        value = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError as err:
        raise error(f"{path}: no such file. {advice}") from err
    except (ValueError, RecursionError) as err:
        raise error(f"{path}: not readable as JSON ({err}), {wanted}. {advice}") from err
    if not isinstance(value, dict):
        raise error(f"{path}: found a {type(value).__name__}, {wanted}. {advice}")
    for key, kind in keys.items():
        found = value
        for part in key.split("."):
            found = found.get(part, _NOTHING) if isinstance(found, dict) else _NOTHING
        if not isinstance(found, kind):
            text = f"no {key}" if found is _NOTHING else f"{found!r} as {key}"
            raise error(f"{path}: found {text[:80]}, {wanted}. {advice}")
    return value
