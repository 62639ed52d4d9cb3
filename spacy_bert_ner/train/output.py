"""An output folder → the folder of one training run, next to earlier results."""

import fcntl
import os
import shutil
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST

from ..files import recover_folder
from ..targets import describe_obstacle

DIR_CHECKPOINT = "checkpoint"
LOG_NAME = "log.jsonl"
_RESULTS = (DIR_MODEL_BEST, DIR_MODEL_LAST, DIR_CHECKPOINT, LOG_NAME)
_DIR_RUN = "unfinished"
_DIR_EARLIER = "earlier"
_LOCK = ".lock"


@contextmanager
def locked_output(output: Path, *, what: str = "training run") -> Iterator[None]:
    """Make an output folder, and keep others that would write to it out.

    The operating system releases the lock when the process ends, even if it is killed. Its
    file is removed at the end.

    output (Path): The folder.
    what (str): What writes to it.
    RAISES (OSError): If the folder cannot be created or written to.
    RAISES (ValueError): If another process writes to it.
    """
    path = output / _LOCK
    try:
        output.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf8")
    except OSError as error:
        obstacle = describe_obstacle(output) or error.strerror
        raise OSError(
            f"{output}: {obstacle}, expected a writable folder, or a path where one can be "
            "created. Choose another output folder."
        ) from error
    with file:
        _lock(file, output, what)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(file: IO[str], output: Path, what: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = output / _LOCK
        if not (path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))):
            raise BlockingIOError  # the other one removed it meanwhile
    except BlockingIOError as error:
        file.seek(0)
        raise ValueError(
            f"{output}: another {what} writes to this folder ({file.read().strip()}). Wait "
            "until it ends, stop it, or choose another output folder."
        ) from error
    except OSError as error:
        warnings.warn(
            f"{output} cannot be locked ({error.strerror}). Make sure that no other {what} "
            "writes to it.",
            stacklevel=2,
        )
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
    except OSError as error:
        raise OSError(f"{output}: cannot be written to ({error.strerror}).") from error


def recover_output(output: Path) -> None:
    """Finish the moves that a killed process had started.

    output (Path): The output folder.
    """
    run = output / _DIR_RUN
    for folder in (output, run):
        for name in _RESULTS:
            recover_folder(folder / name)
    if (run / _DIR_EARLIER).is_dir():
        finish_run(run)


def find_checkpoint(output: Path) -> Path | None:
    """Find a run that stopped early.

    output (Path): The output folder.
    RETURNS (Path | None): The folder with its checkpoint, output/unfinished or output.
    """
    for folder in (output / _DIR_RUN, output):
        if (folder / DIR_CHECKPOINT).is_dir():
            return folder
    return None


def start_run(output: Path) -> Path:
    """Choose the folder of a new run.

    output (Path): The output folder.
    RETURNS (Path): output; if it holds an earlier result, output/unfinished, so that the
        earlier result stays in place until the new run has finished.
    """
    run = output / _DIR_RUN
    if run.is_dir():
        _keep(run, output)
    if not any((output / name).exists() for name in _RESULTS):
        return output
    run.mkdir()
    return run


def finish_run(run: Path) -> Path | None:
    """Move the results of a finished run to the output folder.

    A run in output/unfinished replaces the earlier result, which moves to output/before-1
    and so on. If the process is killed here, the next one finishes the moves.

    run (Path): The folder of the run.
    RETURNS (Path | None): The new place of the earlier result; `None` if there was none.
    """
    is_aside = run.name == _DIR_RUN
    earlier, output = run / _DIR_EARLIER, run.parent
    if is_aside:
        earlier.mkdir(exist_ok=True)  # from here on, the run counts as finished
    _remove(run / DIR_CHECKPOINT)
    if not is_aside:
        return None
    # A killed process may have moved some of these already.
    for path in sorted(path for path in run.iterdir() if not path.name.startswith(".")):
        if path == earlier:
            continue
        if (output / path.name).exists():
            (output / path.name).rename(earlier / path.name)
        path.rename(output / path.name)
    if (output / DIR_CHECKPOINT).exists():
        (output / DIR_CHECKPOINT).rename(earlier / DIR_CHECKPOINT)
    kept = _keep(earlier, output)
    shutil.rmtree(run)
    return kept


def _remove(folder: Path) -> None:
    # Renamed first, so that a killed process leaves no half-removed folder.
    removed = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(removed, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder.rename(removed))


def _keep(folder: Path, output: Path) -> Path | None:
    if not any(folder.iterdir()):
        folder.rmdir()
        return None
    n = 1
    while (output / f"before-{n}").exists():
        n += 1
    return folder.rename(output / f"before-{n}")
