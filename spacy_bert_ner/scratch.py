"""A folder that one process fills alone → gone at the end, even if the process is killed."""

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# How safetensors and shutil quote a system error that they do not raise as it is.
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")
_TEMPORARY = ".spacy-bert-ner-"


@contextmanager
def temporary_folder(place: Path | None = None) -> Iterator[Path]:
    """Provide an empty folder that is removed at the end.

    What a killed process left there is removed at the next call.

    place (Path | None): Where to make it; `None` for the system's temporary folder.
    YIELDS (Path): The folder.
    RAISES (OSError): If the system's temporary folder can't be written, for example because
        the disk is full.
    """
    root = place or Path(tempfile.gettempdir())
    with explained(root) if place is None else nullcontext(), ExitStack() as stack:
        for left in root.glob(f"{_TEMPORARY}*"):
            with suppress(OSError), held(left) as is_locked:
                if is_locked:
                    shutil.rmtree(left)
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=root))
            # Before it is locked, another process may take it for one that was left.
            with suppress(BlockingIOError, FileNotFoundError):
                stack.enter_context(held(folder))
                break
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Lock a folder; the system releases the lock when the process ends.

    YIELDS (bool): Whether it is locked; False if the file system has no locks.
    RAISES (BlockingIOError): If another process holds the folder, or has replaced it.
    """
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        is_locked = True
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            is_locked = False
        if not (folder.exists() and os.path.samestat(folder.stat(), os.fstat(number))):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(folder))
        yield is_locked
    finally:
        os.close(number)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say what to do where there is no room to write.

    path (Path): What is written.
    RAISES (OSError): If the disk is full or read-only, or a quota is used up.
    """
    try:
        yield
    except Exception as error:
        found = _SYSTEM_ERROR.search(str(error))
        number = int(found[1] or found[2]) if found else getattr(error, "errno", None)
        if number not in _NO_ROOM:
            raise
        raise OSError(
            f"{path} could not be written: {os.strerror(number)}. What was there before is "
            "unchanged. Free some space (also for temporary files, which are in "
            f"{tempfile.gettempdir()} unless TMPDIR is set), or choose another location, then try "
            "again."
        ) from error
