"""What a command will write and what it reads → an error if it would overwrite a file."""

import json
import os
from collections.abc import Iterable
from pathlib import Path


class TargetExistsError(FileExistsError, ValueError):
    """A file or folder that would be written already exists."""


def check_targets(
    *,
    files: Iterable[Path] = (),
    folder: Path | None = None,
    inputs: Iterable[str | Path] = (),
    force: bool = False,
) -> None:
    """Refuse to overwrite inputs, and existing files unless `force` is set.

    Every command calls this before it starts to work. An empty folder counts as absent.

    files (Iterable[Path]): The files that will be written.
    folder (Path | None): A folder that will be replaced as a whole.
    inputs (Iterable[str | Path]): The files and folders that are read.
    force (bool): Whether existing files and folders may be replaced.
    RAISES (TargetExistsError): If one of them exists, and `force` is not set.
    RAISES (ValueError): If an input would be changed or is a pipe, or if a file would
        replace a folder or a folder a file.
    RAISES (OSError): If the location is not writable.
    """
    sources = [Path(source) for source in inputs if Path(source).exists()]
    check_inputs(sources)
    for target in [*files, *([] if folder is None else [folder])]:
        is_folder = target is folder
        _check_sources(target, sources, is_folder=is_folder)
        if target.exists() and target.is_dir() != is_folder:
            found, wanted = ("file", "folder") if is_folder else ("folder", "file")
            raise ValueError(
                f"{target} is a {found}, expected a {wanted} or nothing. Choose another name, or "
                "remove it yourself."
            )
        if is_folder and _is_inside(Path(), target):
            raise ValueError(
                f"{target} is the working directory or contains it, so it cannot be replaced. "
                "Choose another folder."
            )
        is_free = is_folder and target.is_dir() and not any(target.iterdir())
        if os.path.lexists(target) and not is_free and not force:
            raise TargetExistsError(
                f"{target} exists. Choose another name, or set `force` to replace it."
            )
        _check_writable(target)


def check_inputs(paths: Iterable[Path]) -> None:
    """Refuse pipes and devices: they can be read once, and inputs are read several times.

    paths (Iterable[Path]): Files and folders that are read.
    RAISES (ValueError): If one of them is something else.
    """
    for path in paths:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ValueError(
                f"{path} is a pipe or a device, expected a file: it is read more than once. Write "
                "its content to a file first."
            )


def _check_sources(target: Path, sources: list[Path], *, is_folder: bool) -> None:
    for source in sources:
        is_same = target.exists() and target.samefile(source)
        if is_same or (is_folder and _is_inside(source, target)):
            raise ValueError(
                f"{target} is read as an input ({source}), so it is never overwritten, not even "
                "with `force`. Choose another name."
            )
        if source.is_dir() and _is_inside(target, source):
            raise ValueError(
                f"{target} is inside {source}, which is read. Choose a location outside of it."
            )


def _is_inside(path: Path, folder: Path) -> bool:
    # `Path.resolve` fails if a link leads to itself.
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _check_writable(target: Path) -> None:
    if obstacle := describe_obstacle(target.parent):
        raise NotADirectoryError(
            f"{target} cannot be written: {obstacle}, expected a folder. Choose another location."
        )
    place = Path(os.path.realpath(target)).parent
    while not os.path.lexists(place):
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{target} cannot be written: no permission in {place}. Choose another location."
        )


def describe_obstacle(folder: Path) -> str:
    """Describe what prevents that a folder is made.

    folder (Path): The folder.
    RETURNS (str): The file or link in its place or above it; empty if there is none.
    """
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            return f"{path} is a link to {path.readlink()}, which does not exist"
        if path.exists():
            return "" if path.is_dir() else f"{path} is a file"
    return ""


def read_record(path: Path) -> set[str]:
    """Read the names of the files that an earlier command wrote into a folder.

    path (Path): Its manifest.json, encoder.lock.json or report.json.
    RETURNS (Set[str]): The names, including the record's own; none if there is no
        readable record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf8"))
        parts = [part["path"] for part in record.get("parts", {}).values() if part["path"]]
        names = {*record.get("files", {}), *record.get("sha256", {})}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return set()
    pages = {path.with_suffix(suffix).name for suffix in (".md", ".png")} if parts else set()
    return {*names, *pages, *(Path(part).name for part in parts), path.name}
