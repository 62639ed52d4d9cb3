"""Independent parts of a computation → done side by side, each by one thread of torch."""

import contextlib
import ctypes
import functools
import itertools
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from ..machine import count_processors, describe_load
from .memory import is_out_of_memory

_log = logging.getLogger(__name__)
# Training steps from one look at the load of the machine to the next.
STEPS = 100
_n_steps = itertools.count()
_has_warned = threading.Event()
# The threads of this process that compute parts just now.
_computing: set[int] = set()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_computing.clear)


def count_threads(threads: int | None) -> int:
    """Count the parts to compute at the same time.

    threads (Optional[int]): The setting; None for as many as this process may use: its
        processors, but no more than torch's threads, which `OMP_NUM_THREADS` and
        `torch.set_num_threads` limit.
    RETURNS (int): At least 1; 1 if torch's own threads can't be held back.
    """
    if _find_openmp() is None:
        return 1
    return threads or min(count_processors(), torch.get_num_threads())


def watch_load() -> None:
    """Log once what to set if the load of the machine slows training down.

    Training waits for torch's own threads. Each step calls this; some of them look.
    """
    if _has_warned.is_set() or next(_n_steps) % STEPS:
        return
    advice = describe_load()
    if advice is not None:
        _log.warning(advice)
        _has_warned.set()


def run_side_by_side(
    run: Callable[[int], None],
    n_parts: int,
    *,
    threads: int | None,
    inside: int = 1,
    again: bool = True,
) -> None:
    """Compute independent parts, on the calling thread and on others that help it.

    Each part is computed by one thread, so its result does not depend on the number of
    threads. Helpers live as long as the call, and the threads of one process are bounded
    even if several callers compute at the same time. A part that runs out of memory is
    tried again when the others are done.

    run (Callable): Computes a part, by number. It sets its own modes of torch, which
        belong to a thread.
    n_parts (int): The number of parts; the first ones start first.
    threads (Optional[int]): As in `count_threads`.
    inside (int): Threads inside torch for each part. With more than one, a result may depend on
        it in the last bits.
    again (bool): Whether a part that ran out of memory can be tried again.
    RAISES (Exception): What a part raised; no other part starts after it.
    """
    todo, too_large = deque(range(n_parts)), deque[int]()
    errors: list[BaseException] = []

    def work() -> None:
        me = threading.get_ident()
        _computing.add(me)
        try:
            with threads_inside(inside):
                _compute(run, todo, too_large, again=again)
        except BaseException as error:
            todo.clear()
            errors.append(error)
        finally:
            _computing.discard(me)

    n_more = min(n_parts, count_threads(threads) - len(_computing)) - 1 if n_parts > 1 else 0
    helpers = _start_helpers(work, n_more)
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    with threads_inside(inside):
        while too_large:
            run(too_large.popleft())


def _compute(
    run: Callable[[int], None], todo: deque[int], too_large: deque[int], *, again: bool
) -> None:
    while True:
        try:
            part = todo.popleft()
        except IndexError:
            return
        try:
            run(part)
        except (MemoryError, RuntimeError) as error:
            if not (again and is_out_of_memory(error)):
                raise
            too_large.append(part)


def _start_helpers(work: Callable[[], None], n_helpers: int) -> list[threading.Thread]:
    helpers = []
    for _ in range(n_helpers):
        helper = threading.Thread(target=work, name="spacy-bert-ner")
        try:
            helper.start()
        except RuntimeError:  # The system allows no more threads, or Python is shutting down.
            break
        helpers.append(helper)
    return helpers


@contextlib.contextmanager
def threads_inside(n: int) -> Iterator[None]:
    """Let torch compute with some threads for as long as a context lasts.

    Only the calling thread is affected, other than with `torch.set_num_threads`.

    n (int): The number of threads, with the calling one.
    """
    library = _find_openmp()
    if library is None:
        yield
        return
    n_threads = torch.get_num_threads()
    library.omp_set_num_threads(n)
    # If `torch.set_num_threads` was called, MKL has a number of its own; 0 for none.
    set_mkl = getattr(library, "MKL_Set_Num_Threads_Local", None)
    n_mkl = set_mkl(n) if set_mkl else 0
    try:
        yield
    finally:
        library.omp_set_num_threads(n_threads)
        if set_mkl:
            set_mkl(n_mkl)


@functools.cache
def _find_openmp() -> Any:
    # Names are also found in the libraries that torch's own one needs, so OpenMP's too.
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        path = Path(torch.__file__).parent / "lib" / name
        library = ctypes.CDLL(str(path)) if path.is_file() else None
        if hasattr(library, "omp_set_num_threads"):
            return library
    return None
