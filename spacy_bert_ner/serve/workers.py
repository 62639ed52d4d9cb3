"""ServerSettings → several processes that answer at one address, each with its model."""

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
from multiprocessing.connection import wait
from typing import Any

from .metrics import FOLDER, forget_process
from .settings import ServerSettings

_log = logging.getLogger(__name__)


def run_workers(settings: ServerSettings, sock: socket.socket) -> None:
    """Run `settings.workers` processes until SIGTERM or Ctrl-C; one that dies is replaced.

    settings (ServerSettings): What to serve.
    sock (socket): The address, from `bind`.
    RAISES (ValueError): If a process cannot start.
    """
    workers: list[_Worker] = []
    with tempfile.TemporaryDirectory(prefix="bert-ner-metrics-") as folder:
        os.environ[FOLDER] = folder
        try:
            workers += [_Worker(settings, sock) for _ in range(settings.workers)]
            while True:
                wait([worker.process.sentinel for worker in workers])
                for i, worker in enumerate(workers):
                    if not worker.process.is_alive():
                        worker.explain_death()
                        workers[i] = _Worker(settings, sock)
        except KeyboardInterrupt:  # also SIGTERM
            pass
        finally:
            sock.close()
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.process.join()
            del os.environ[FOLDER]


class _Worker:
    def __init__(self, settings: ServerSettings, sock: socket.socket):
        # A fork would not copy the threads of torch.
        context = multiprocessing.get_context("spawn")
        self.is_ready = context.Event()
        self.process = context.Process(target=_work, args=(settings, sock, self.is_ready))
        self.process.start()

    def explain_death(self) -> None:
        code = self.process.exitcode
        if not self.is_ready.is_set():
            raise ValueError(
                f"A worker process ended with exit code {code} before it could answer; its log "
                "above says why. Try `workers = 1`."
            )
        forget_process(self.process.pid)
        _log.error("worker died", extra={"fields": {"pid": self.process.pid, "exit_code": code}})


def _work(settings: ServerSettings, sock: socket.socket, is_ready: Any) -> None:
    from .server import run_server

    # Ctrl-C reaches all processes of a terminal; the parent passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_server(settings, sock, is_ready)
