"""An output folder → the place of one training run, next to the results of earlier ones."""

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

DIR_CHECKPOINT = "checkpoint"
LOG_NAME = "log.jsonl"
_RESULTS = (DIR_MODEL_BEST, DIR_MODEL_LAST, DIR_CHECKPOINT, LOG_NAME)
_DIR_RUN = "unfinished"
_DIR_EARLIER = "earlier"
_LOCK = ".lock"


@contextmanager
def locked_output(output: Path) -> Iterator[None]:
    """Make an output folder, and keep other training runs out of it.

    The system holds the lock and drops it when the process ends, however it ends.

    output (Path): The folder.
    RAISES (OSError): If it can't be made or written.
    RAISES (ValueError): If another process is training into it.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        file = (output / _LOCK).open("a+", encoding="utf8")
    except OSError as error:
        raise OSError(
            f"{output}: {_describe(output) or error.strerror}, expected a folder that can be "
            "written, or a path where one can be made. Choose another output folder."
        ) from error
    with file:
        _lock(file, output)
        yield


def _describe(output: Path) -> str:
    for path in (output, *output.parents):
        if path.is_symlink() and not path.exists():
            return f"{path} is a link to {path.readlink()}, which does not exist"
        if path.exists() and not path.is_dir():
            return f"{path} is a file"
    return ""


def _lock(file: IO[str], output: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise ValueError(
            f"{output}: another training run writes there ({file.read().strip()}). Wait for its "
            "end, stop it, or choose another output folder."
        ) from error
    except OSError as error:
        warnings.warn(
            f"{output} can't be locked ({error.strerror}), so nothing keeps a second training "
            "run from writing there.",
            stacklevel=2,
        )
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
    except OSError as error:
        raise OSError(f"{output}: can't be written ({error.strerror}).") from error


def recover_output(output: Path) -> None:
    """Finish what a killed process had begun to move.

    output (Path): The output folder.
    """
    run = output / _DIR_RUN
    for folder in (output, run):
        for name in _RESULTS:
            recover_folder(folder / name)
    if (run / _DIR_EARLIER).is_dir():
        finish_run(run)


def find_checkpoint(output: Path) -> Path | None:
    """Find the run that stopped before its end.

    output (Path): The output folder.
    RETURNS (Path | None): The folder with its checkpoint: output/unfinished or output.
    """
    for folder in (output / _DIR_RUN, output):
        if (folder / DIR_CHECKPOINT).is_dir():
            return folder
    return None


def start_run(output: Path) -> Path:
    """Choose the folder of a new run.

    output (Path): The output folder.
    RETURNS (Path): output/unfinished if there is an earlier result, so that the
        earlier one stays in its place until the new run has finished; else output.
    """
    run = output / _DIR_RUN
    if run.is_dir():
        _keep(run, output)
    if not any((output / name).exists() for name in _RESULTS):
        return output
    run.mkdir()
    return run


def finish_run(run: Path) -> Path | None:
    """Put the results of a finished run into the output folder.

    A run in output/unfinished takes the place of the earlier result, which moves to
    output/before-1 and so on. A process that is killed here goes on at its next start.

    run (Path): The folder of the run.
    RETURNS (Path | None): Where the earlier result is; `None` if there was none.
    """
    is_aside = run.name == _DIR_RUN
    earlier, output = run / _DIR_EARLIER, run.parent
    if is_aside:
        earlier.mkdir(exist_ok=True)  # from here on, the run counts as finished
    _remove(run / DIR_CHECKPOINT)
    if not is_aside:
        return None
    # What is still in the folder of the run has not been moved yet.
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
    # Renamed first, so that a killed process leaves no half of it.
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
