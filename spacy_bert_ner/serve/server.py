"""ServerSettings → processes that listen at one address until they are told to stop."""

import asyncio
import contextlib
import multiprocessing
import os
import re
import resource
import signal
import socket
import tempfile
from multiprocessing.connection import wait
from typing import Any

import uvicorn
from prometheus_client import multiprocess
from thinc.api import require_gpu
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .. import load
from ..machine import bound_shapes
from .app import make_app
from .guard import Guard
from .monitor import FOLDER, configure_logs, log_event
from .settings import ServerSettings

# Java's HttpClient offers HTTP/2 with each request; httptools then drops the body.
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
# Seconds in which a server that stops still answers what is on its way to it.
_LINGER = 0.5


def run_server(settings: ServerSettings, sock: socket.socket) -> None:
    """Load the model, then answer requests until SIGTERM or Ctrl-C.

    settings (ServerSettings): What to serve.
    sock (socket): Listens at the address.
    """
    configure_logs()
    bound_shapes()
    # Each connection is a file, and the usual limit of 1,024 is low.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if settings.gpu_id >= 0:
        require_gpu(settings.gpu_id)
    # uvicorn raises the signal again when it has stopped: here it has done its work.
    with contextlib.suppress(KeyboardInterrupt):
        Server(make_app(load(settings.model), settings)).run([sock])
    log_event("stopped")


def run_workers(settings: ServerSettings, sock: socket.socket) -> None:
    """Run `settings.workers` processes until SIGTERM or Ctrl-C; one that dies is replaced.

    settings (ServerSettings): What to serve.
    sock (socket): Listens at the address.
    RAISES (ValueError): If a process ends by itself, because it cannot start.
    """
    workers: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="bert-ner-metrics-") as folder:
        os.environ[FOLDER] = folder
        try:
            workers += [_start_worker(settings, sock) for _ in range(settings.workers)]
            while True:
                wait([worker.sentinel for worker in workers])
                for i, worker in enumerate(workers):
                    if not worker.is_alive():
                        _note_death(worker)
                        workers[i] = _start_worker(settings, sock)
        except KeyboardInterrupt:  # also SIGTERM
            pass
        finally:
            sock.close()
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join()
            del os.environ[FOLDER]


def _start_worker(settings: ServerSettings, sock: socket.socket) -> Any:
    # A fork would not copy the threads of torch.
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(settings, sock))
    worker.start()
    return worker


def _work(settings: ServerSettings, sock: socket.socket) -> None:
    # Ctrl-C reaches all processes of a terminal; the parent passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_server(settings, sock)


def _note_death(worker: Any) -> None:
    if worker.exitcode > 0:
        raise ValueError(
            f"A worker process ended with exit code {worker.exitcode}; its log above says why. "
            "Try `workers = 1`."
        )
    multiprocess.mark_process_dead(worker.pid)
    log_event("worker died", pid=worker.pid, exit_code=worker.exitcode)


class Server(uvicorn.Server):
    """On a signal: no new work, and an answer for each request that has reached this machine.

    guard (Guard): The application.
    """

    def __init__(self, guard: Guard):
        """Configure uvicorn, which logs nothing of requests itself."""
        seconds = guard.settings.timeout
        config = uvicorn.Config(
            guard,
            http=_make_protocol(2 * seconds + 1),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Longer than proxies keep connections: a request must not meet one being closed.
            timeout_keep_alive=int(2 * seconds) + 1,
            timeout_graceful_shutdown=int(2 * seconds) + 2,
        )
        super().__init__(config)
        self.guard = guard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, after a moment for what is on its way.

        sockets (List[socket]): Listen at the address.
        """
        log_event("stopping")
        self.guard.is_stopping = True
        await asyncio.sleep(_LINGER)
        waiting = [conn for sock in sockets or () for conn in _accept_all(sock)]
        for server in self.servers:
            server.close()
        for conn in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._make, conn)
        await super().shutdown(sockets)

    def _make(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        return kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _accept_all(sock: socket.socket) -> list[socket.socket]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sock.accept()[0])
    return found


def _make_protocol(seconds: float) -> type[asyncio.Protocol]:
    class Protocol(HttpToolsProtocol):
        # Close connections that send no request, or take no answer, for so long.

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch = self.loop.call_later(seconds, self._check, None)

        def data_received(self, data: bytes) -> None:
            super().data_received(_UPGRADE.sub(b"\r\nx-offer:", data))

        def _check(self, before: Any) -> None:
            if self.cycle is before:
                self.transport.abort()
            else:
                self._watch = self.loop.call_later(seconds, self._check, self.cycle)

        def connection_lost(self, exc: Exception | None) -> None:
            self._watch.cancel()
            cycle: Any = self.cycle
            if cycle is not None and "give_up" in cycle.scope:
                cycle.scope["give_up"]()
            super().connection_lost(exc)

        def shutdown(self) -> None:
            # A request may be on its way: wait for it for a moment.
            self.loop.call_later(_LINGER, self._stop)

        def _stop(self) -> None:
            if self.cycle is not None and self.cycle.more_body:
                self.transport.abort()  # half a request
            else:
                super().shutdown()

    return Protocol
