"""A raw HTTP request → one within its limits; its answer → a log line and metrics."""

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from .metrics import Metrics
from .settings import ServerSettings

_QUIET = ("/health", "/ready", "/metrics")
_log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Refusal(NamedTuple):
    """An answer that has no result.

    status (int): The HTTP status.
    detail (str): A sentence: what is wrong, and what to do.
    headers (Dict[str, str]): Further headers.
    """

    status: int
    detail: str
    headers: Mapping[str, str] = MappingProxyType({})


_STOPPING = Refusal(503, "The server stops. Try again in a moment.", {"retry-after": "2"})
_TOO_SLOW = Refusal(
    503, "The answer took too long. Send fewer or shorter texts.", {"retry-after": "5"}
)
_LATE_BODY = Refusal(408, "The body took too long to arrive.", {"connection": "close"})
FAULT = Refusal(500, "The server could not answer; its log says where it failed.")


class Guard:
    """Keep requests within their limits, and give each an answer, whatever happens.

    What the application raises is logged by kind and place only, because messages may
    have texts of requests in them. Once `is_stopping` is set, new work is refused.

    app (Callable): The ASGI application.
    settings (ServerSettings): The limits.
    metrics (Metrics): Counts the answers.
    """

    def __init__(
        self, app: Callable[..., Awaitable[None]], settings: ServerSettings, metrics: Metrics
    ):
        """Wrap the application."""
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.is_stopping = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        answer = _Answer(send)
        try:
            body = await self._read_body(dict(scope["headers"]), receive)
            if self.is_stopping and scope["method"] == "POST":
                body = _STOPPING
            if isinstance(body, Refusal):
                await answer.refuse(body)
            else:
                call = self.app(scope, _Replay(body, receive), answer.send)
                await asyncio.wait_for(call, self.settings.timeout)
        except ConnectionError:
            answer.status = 499  # the client has gone
        except asyncio.TimeoutError:
            await answer.refuse(_TOO_SLOW)
        except Exception as error:
            log_fault(error)
            await answer.refuse(FAULT)
        finally:
            self._note(scope, answer.status, time.perf_counter() - started)

    async def _read_body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | Refusal:
        limit = self.settings.max_body
        too_large = Refusal(413, f"The body is larger than {limit:,} bytes. Send fewer texts.")
        if b"expect" in headers and int(headers.get(b"content-length", 0)) > limit:
            return too_large  # the client asks before it sends the body
        body = bytearray()
        is_too_large = False

        async def read() -> None:
            # What is too much is read and dropped, so that the client gets to see the answer.
            nonlocal is_too_large
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionError
                body.extend(message.get("body", b""))
                more = message.get("more_body", False)
                if len(body) > limit or is_too_large:
                    is_too_large = True
                    body.clear()

        try:
            await asyncio.wait_for(read(), self.settings.timeout)
        except asyncio.TimeoutError:
            return _LATE_BODY
        return too_large if is_too_large else bytes(body)

    def _note(self, scope: Message, status: int, seconds: float) -> None:
        # The route, not the path: a client could write a text there.
        path = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(path, status).inc()
        self.metrics.latency.labels(path).observe(seconds)
        if path not in _QUIET or status >= 500:
            fields = {"method": scope["method"], "path": path, "status": status}
            counts = scope.get("counts", {})
            _log.info("request", extra={"fields": {**fields, "ms": seconds * 1000, **counts}})


class _Answer:
    # Messages of an answer → the client; it knows what has been sent.

    def __init__(self, send: Send):
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self.status:  # too late: the connection is closed
            return
        body = json.dumps({"detail": refusal.detail}).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        pairs = [(k.encode(), v.encode()) for k, v in {**headers, **refusal.headers}.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})


class _Replay:
    # A body that has been read → what the application receives.

    def __init__(self, body: bytes, receive: Receive):
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


def log_fault(error: BaseException) -> None:
    """Log an error without its message, which may have a client's text in it.

    error (BaseException): The error.
    """
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    _log.error("fault", extra={"fields": {"error": type(error).__name__, "places": places}})
