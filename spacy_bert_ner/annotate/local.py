"""Parts of a job → worker processes of this machine → receipts; a dead worker is replaced."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from .job import Job, Part
from .messages import EXPECTED_FAULTS
from .part import Count, Event, PartRunner

_MOST_DEATHS = 5  # of workers on one part, or before any of them was ready
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_spawn = multiprocessing.get_context("spawn")


class _Worker:
    def __init__(self, job: Job) -> None:
        self.conn, theirs = _spawn.Pipe()
        self.process = _spawn.Process(target=_work, args=(job, theirs), daemon=True)
        self.process.start()
        theirs.close()  # so that its death ends the connection
        self.part: Part | None = None
        self.is_ready = False

    def stop(self) -> None:
        self.process.terminate()
        self.process.join(5)
        self.process.kill()
        self.process.join()
        self.conn.close()


def run_locally(job: Job, parts: Sequence[Part], *, workers: int) -> Generator[Event, None, None]:
    """Do parts in worker processes, each with one thread and its own copy of the pipeline.

    A worker that dies is replaced, and its part is done anew. Closing the iterator, or
    an error, ends all workers; so does the death of this process.

    job (Job): The job.
    parts (Sequence[Part]): The parts to do.
    workers (int): Number of processes.
    YIELDS (Receipt | Tuple[int, Count]): What happens.
    RAISES (ValueError, OSError): If a part cannot be done; see `PartRunner.run`.
    RAISES (MemoryError): If one part ends its worker again and again.
    """
    team = _Team(job, parts)
    try:
        with one_thread_each():
            while len(team.workers) < min(workers, len(parts)):
                team.hire()
        while any(worker.part or not worker.is_ready for worker in team.workers) or team.todo:
            for conn in wait([worker.conn for worker in team.workers]):
                worker = next(worker for worker in team.workers if worker.conn is conn)
                event = team.hear(worker)
                if event is not None:
                    yield event
    finally:
        for worker in team.workers:
            worker.stop()


class _Team:
    def __init__(self, job: Job, parts: Sequence[Part]) -> None:
        self.job = job
        self.todo = deque(parts)
        self.workers: list[_Worker] = []
        self.deaths: Counter[int] = Counter()  # number of the part, -1 before the first one

    def hire(self) -> None:
        self.workers.append(_Worker(self.job))

    def hear(self, worker: _Worker) -> Event | None:
        # one message of a worker; it gets the next part when it has done one
        try:
            kind, value = worker.conn.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return None
        if kind == "failed":
            raise value
        if kind == "count":
            return value
        worker.is_ready, worker.part = True, None
        self.deaths[-1] = 0
        if self.todo:
            worker.part = self.todo.popleft()
            with suppress(BrokenPipeError, ConnectionResetError):  # `hear` sees the end, too
                worker.conn.send(worker.part)
        return value

    def _replace(self, worker: _Worker) -> None:
        worker.stop()
        self.workers.remove(worker)
        code = worker.process.exitcode
        number = -1
        if worker.part is not None:
            self.todo.appendleft(worker.part)
            number = worker.part.number
        self.deaths[number] += 1
        what = f"signal {-code}" if code and code < 0 else f"exit code {code}"
        if number < 0 and (code == 1 or self.deaths[number] >= _MOST_DEATHS):
            raise ValueError(
                f"A worker ended before it was ready ({what}). In a script, call `annotate` below "
                '`if __name__ == "__main__":`, because workers import the script. If memory is '
                "short, set fewer `workers`."
            )
        if self.deaths[number] >= _MOST_DEATHS:
            raise MemoryError(
                f"Part {number} ended its worker {_MOST_DEATHS} times ({what}). Usually memory is "
                "short: set fewer `workers`, or take very long texts out of the inputs."
            )
        with one_thread_each():
            self.hire()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Give one thread to processes that are started within: libraries read these once."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(job: Job, conn: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    threading.Thread(target=_die_with_parent, daemon=True).start()
    send: Any = conn.send
    try:
        runner = PartRunner(job)
        send(("ready", None))
        while True:
            part = conn.recv()
            send(("done", runner.run(part, partial(_report, conn, part.number))))
    except EOFError:
        return
    except EXPECTED_FAULTS as error:
        send(("failed", _make_plain(error)))
    except Exception:
        send(("failed", RuntimeError(f"A worker failed:\n{traceback.format_exc()}")))


def _report(conn: Connection, number: int, count: Count) -> None:
    conn.send(("count", (number, count)))


def _make_plain(error: Exception) -> Exception:
    # one that can be pickled and keeps its message
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, error.filename)
    kind = next(kind for kind in EXPECTED_FAULTS if isinstance(error, kind))
    return kind(str(error))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
