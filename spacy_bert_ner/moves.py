"""Files of a temporary folder → their places in another one: all of them, or none."""

import errno
import json
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from .scratch import held
from .targets import check_targets, read_record

_MOVES = ".spacy-bert-ner.moves"  # one process at a time has a folder of this name
_JOURNAL = ".moves.json"
_SECONDS = 30.0
Stamp: TypeAlias = list[int] | None


def move_files(aside: Path, folder: Path, *, force: bool, record: str | None) -> None:
    """Move all files of one folder to another, as if in one step.

    From the moment when the journal is written, they are moved even if the process is
    killed: by the next call, or by `recover_files`. Until then, none is.

    aside (Path): The files, in a locked folder in the other one; it goes away.
    folder (Path): Where they move to.
    force (bool): Whether files of the same name are replaced.
    record (str | None): Name of the file there that lists what an earlier command wrote:
        those files are removed unless they are replaced.
    RAISES (TargetExistsError): If a file of the same name exists, without `force`.
    RAISES (BlockingIOError): If another process does not finish its moves.
    """
    (aside / f"{_JOURNAL}.part").touch()  # so that no other process can take the folder's place
    moves = _claim(aside, folder)
    try:
        names = sorted({path.name for path in moves.iterdir()} - {f"{_JOURNAL}.part"})
        check_targets(files=[folder / name for name in names], force=force)
        stale = read_record(folder / record) if record is not None else set()
        old = sorted(name for name in stale.difference(names) if Path(name).name == name)
        _commit(moves, {"moved": _stamp_all(folder, names), "removed": _stamp_all(folder, old)})
        _finish(moves)
    except BaseException:
        _finish(moves)  # after Ctrl-C between two moves; without a journal, none is made
        raise


def _claim(aside: Path, folder: Path) -> Path:
    moves = folder / _MOVES
    while True:
        recover_files(folder)
        try:
            aside.rename(moves)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return moves


def recover_files(folder: Path) -> None:
    """Finish moving files into a folder after the process that did it was killed.

    folder (Path): The folder. If a process is moving files there, this waits for it.
    RAISES (BlockingIOError): If it takes too long.
    """
    moves = folder / _MOVES
    until = time.monotonic() + _SECONDS
    while os.path.lexists(moves):
        if time.monotonic() > until:
            raise BlockingIOError(
                f"{folder}: another process is moving its files there. Wait until it has ended; if "
                f"there is none, remove {moves}, and try again."
            )
        with suppress(BlockingIOError, FileNotFoundError), held(moves) as is_locked:
            # Without locks, a folder without a journal may be that of a living process.
            if is_locked or (moves / _JOURNAL).exists():
                _finish(moves)
        time.sleep(0.001)


def _commit(moves: Path, journal: dict[str, dict[str, Stamp]]) -> None:
    part = moves / f"{_JOURNAL}.part"
    with part.open("w", encoding="utf8") as file:
        json.dump(journal, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(moves / _JOURNAL)
    sync_folder(moves)
    sync_folder(moves.parent)


def _finish(moves: Path) -> None:
    # Without locks, another process may do the same: what is gone was done.
    steps: dict[str, dict[str, Stamp]] = {}
    with suppress(FileNotFoundError):
        steps = json.loads((moves / _JOURNAL).read_text(encoding="utf8"))
    for action, stamps in steps.items():
        for name, stamp in stamps.items():
            target = moves.parent / name
            if _stamp(target) != stamp:
                continue  # done before, or the user's own since then
            with suppress(FileNotFoundError):
                if action == "moved":
                    (moves / name).replace(target)
                else:
                    target.unlink()
    sync_folder(moves.parent)
    with suppress(FileNotFoundError):
        shutil.rmtree(moves)


def _stamp_all(folder: Path, names: Iterable[str]) -> dict[str, Stamp]:
    return {name: _stamp(folder / name) for name in names}


def _stamp(path: Path) -> Stamp:
    # What a file is known by: its number on the disk, and when it was written.
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return [found.st_ino, found.st_mtime_ns]


def sync_folder(folder: Path) -> None:
    """Make sure that the names of a folder's files are on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
