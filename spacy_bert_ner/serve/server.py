"""ServerSettings → processes that listen at one address until they are told to stop."""

import asyncio
import contextlib
import logging
import resource
import socket
from typing import Any

import uvicorn
from thinc.api import require_gpu
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .. import load
from .app import make_app
from .guard import Guard
from .logs import configure_logs
from .settings import ServerSettings

_log = logging.getLogger(__name__)

# Seconds in which a server that stops still answers what is on its way to it.
_LINGER = 0.5


def bind(host: str, port: int) -> socket.socket:
    """Take an address, without listening yet.

    host (str): The host, "127.0.0.1" for this machine only.
    port (int): The port; 0 for any free one.
    RETURNS (socket): The socket.
    RAISES (OSError): If the address is in use or none of this machine's.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    return sock


def run_server(settings: ServerSettings, sock: socket.socket, is_ready: Any = None) -> None:
    """Load the model, then answer requests until SIGTERM or Ctrl-C.

    settings (ServerSettings): What to serve.
    sock (socket): The address, from `bind`.
    is_ready (Event | None): It is set when the server answers.
    """
    configure_logs()
    # Each connection is a file, and the usual limit of 1,024 is low.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if settings.gpu_id >= 0:
        require_gpu(settings.gpu_id)
    server = make_server(make_app(load(settings.model), settings), is_ready)
    # uvicorn raises the signal again when it has stopped: here it has done its work.
    with contextlib.suppress(KeyboardInterrupt):
        server.run([sock])
    _log.info("stopped")


def make_server(guard: Guard, is_ready: Any = None) -> uvicorn.Server:
    """Make the server of an application.

    guard (Guard): The application.
    is_ready (Event | None): It is set when the server answers.
    RETURNS (Server): The server; it logs nothing of requests itself.
    """
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
        timeout_graceful_shutdown=int(2 * seconds) + 2,
    )
    return _Server(config, guard, is_ready)


class _Server(uvicorn.Server):
    # On a signal: no new work, and an answer for each request that has reached this machine.

    def __init__(self, config: uvicorn.Config, guard: Guard, is_ready: Any):
        super().__init__(config)
        self._guard = guard
        self._is_ready = is_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port, *_ = sockets[0].getsockname() if sockets else ("", 0)
        _log.info("ready", extra={"fields": {"host": host, "port": port}})
        if self._is_ready is not None:
            self._is_ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("stopping")
        self._guard.is_stopping = True
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

        def _check(self, before: Any) -> None:
            if self.cycle is before:
                self.transport.abort()
            else:
                self._watch = self.loop.call_later(seconds, self._check, self.cycle)

        def connection_lost(self, exc: Exception | None) -> None:
            self._watch.cancel()
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
