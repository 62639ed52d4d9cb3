"""A function in a process of its own that is killed at a chosen step on the disk."""

import os
import shutil
from pathlib import Path

STEPS = [
    (Path, "mkdir"), (Path, "rename"), (Path, "replace"), (Path, "unlink"), (shutil, "rmtree"),
    (os, "fsync"), (os, "link"),
]  # fmt: skip


def skip_sync(number):
    """Stands for `os.fsync`, which takes most of the time of such tests."""


def run_until_killed(function, number):
    """Run a function; kill its process before step `number`. Gives whether it got so far."""
    pid = os.fork()
    if pid == 0:
        left = iter(range(number, -1, -1))

        def killing(step):
            def run(*args, **kwargs):
                if next(left) == 0:
                    os._exit(9)
                return step(*args, **kwargs)

            return run

        for owner, name in STEPS:
            setattr(owner, name, killing(getattr(owner, name)))
        try:
            function()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
