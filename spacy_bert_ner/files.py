"""Files that are written aside → their place on disk, all at once or not at all."""

import ctypes
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PART = ".part"
# From linux/fcntl.h and linux/fs.h
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Give a new folder to fill, which takes the place of another at the end.

    Whenever the process is killed, the old folder or the new one stands there
    complete. If filling it fails, the old one stays.

    path (Path): The folder to replace, or to make.
    YIELDS (Path): An empty folder beside it.
    RAISES (OSError): If it can't be written, for example because the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}{_PART}")
    shutil.rmtree(aside, ignore_errors=True)  # what a killed process has left
    try:
        aside.mkdir()
        yield aside
        _sync(aside)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise OSError(
            f"Can't save {path}: {error.strerror or error}. What was saved there before is "
            "untouched. Free some space or mend the folder, then go on with `--resume`."
        ) from error
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if path.exists():
        exchange(aside, path)
        shutil.rmtree(aside)
    else:
        aside.rename(path)
    _sync_folder(path.parent)


def exchange(path: Path, other: Path) -> None:
    """Exchange two folders, in one step where the system can (Linux).

    path (Path): One folder.
    other (Path): The other, on the same file system.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is not None:
        names = os.fsencode(path), os.fsencode(other)
        if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
    # Elsewhere there is a moment in which `other` is absent and stands beside itself.
    between = other.with_name(f".{other.name}.old")
    shutil.rmtree(between, ignore_errors=True)
    other.rename(between)
    path.rename(other)
    between.rename(path)


def _sync(folder: Path) -> None:
    # A rename must not reach the disk before what is renamed.
    for root, _, files in os.walk(folder):
        for name in files:
            with (Path(root) / name).open("rb") as stream:
                os.fsync(stream.fileno())
        _sync_folder(Path(root))


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def keep_copy(output: Path, names: tuple[str, ...]) -> Path | None:
    """Move the results of an earlier training out of the way.

    output (Path): The output folder.
    names (Tuple[str, ...]): What a training leaves there.
    RETURNS (Path | None): Where it is now: output/before-1, before-2 …; `None` if
        there was nothing.
    """
    found = [output / name for name in names if (output / name).exists()]
    if not found:
        return None
    n = 1
    while (output / f"before-{n}").exists():
        n += 1
    kept = output / f"before-{n}"
    kept.mkdir()
    for path in found:
        path.rename(kept / path.name)
    return kept


def hash_file(path: Path) -> str:
    """Give the sha256 of a file as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_json(
    path: Path,
    keys: Mapping[str, type],
    *,
    advice: str,
    error: type[ValueError] = ValueError,
) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    path (Path): The file.
    keys (Mapping[str, type]): What the object must have, and the kind of each value.
    advice (str): How to get the file again: the end of the message.
    error (type): What to raise.
    RETURNS (Dict[str, Any]): The object.
    RAISES (ValueError): If the file is missing or damaged; in one sentence.
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
        if not isinstance(value.get(key), kind):
            found = f"{value[key]!r} as {key}" if key in value else f"no {key}"
            raise error(f"{path}: found {found[:80]}, {wanted}. {advice}")
    return value
