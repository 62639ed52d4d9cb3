"""A raw HTTP request → one within its limits; its answer → a log line and metrics."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .monitor import LATENCY, REQUESTS, log_event, log_fault
from .settings import ServerSettings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_GONE = 499  # the client has closed the connection; only the log sees this
_QUIET = ("/health", "/ready", "/metrics")
_DETAILS = {
    400: "The body cannot be read: send JSON in UTF-8.",
    404: "There is nothing here. /docs lists what there is.",
    405: "This path does not have that method. /docs lists what there is.",
    408: "The body took too long to arrive.",
    500: "The server could not answer; its log says where it failed.",
    503: "The server stops, or the answer took too long. Try again, or send fewer texts.",
}
_HEADERS: dict[int, dict[str, str]] = {
    408: {"connection": "close"},
    503: {"retry-after": "2"},
}


class Guard:
    """Keep requests within their limits, and give each an answer, whatever happens.

    What the application raises is logged by kind and place only, because messages may
    have texts of requests in them. Once `is_stopping` is set, new work is refused.

    app (Callable): The ASGI application.
    settings (ServerSettings): The limits.
    direct (Any): A route of the application that POST requests reach at once, because the
        application's own way to it takes longer than the answer.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        settings: ServerSettings,
        direct: Any,
    ):
        """Wrap the application."""
        self.app = app
        self.settings = settings
        self.direct = direct
        self.is_stopping = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, body = time.perf_counter(), 0, None

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        refusal = None
        try:
            with anyio.fail_after(self.settings.timeout):
                body = await self._read_body(scope, receive)
            with anyio.fail_after(self.settings.timeout) as limit:
                scope["give_up"] = limit.cancel  # for the server, if the client goes
                await self._answer(scope, replay, reply)
            status = status or _GONE
        except ConnectionError:
            status = _GONE
        except TimeoutError:
            refusal = HTTPException(408 if body is None else 503)
        except HTTPException as error:
            refusal = error
        except Exception as error:
            log_fault(error)
            refusal = HTTPException(500)
        if refusal and not status:  # else it is too late: the connection is closed
            await explain(None, refusal)(scope, receive, reply)
        _note(scope, status, time.perf_counter() - started)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        is_post = scope["method"] == "POST"
        if is_post and self.is_stopping:
            raise HTTPException(503)
        if not is_post or scope["path"] != self.direct.path:
            await self.app(scope, receive, send)
            return
        scope["route"] = self.direct
        response = await self.direct.endpoint(Request(scope, receive))
        await response(scope, receive, send)

    async def _read_body(self, scope: Message, receive: Receive) -> bytes:
        limit, headers = self.settings.max_body, dict(scope["headers"])
        too_large = HTTPException(
            413, f"The body is larger than {limit:,} bytes. Send fewer texts."
        )
        if b"expect" in headers and int(headers.get(b"content-length", 0)) > limit:
            raise too_large  # the client asks before it sends the body
        body, size, more = bytearray(), 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            chunk = message.get("body", b"")
            size += len(chunk)
            # What is too much is read and dropped, so that the client gets to see the answer.
            if size <= limit:
                body += chunk
            more = message.get("more_body", False)
        if size > limit:
            raise too_large
        return bytes(body)


def explain(_: Any, error: HTTPException) -> Response:
    """RETURNS (Response): A refusal as JSON with one sentence."""
    status = error.status_code
    headers = {**_HEADERS.get(status, {}), **(error.headers or {})}
    return JSONResponse({"detail": _DETAILS.get(status, error.detail)}, status, headers)


def _note(scope: Message, status: int, seconds: float) -> None:
    # The route, not the path: a client could write a text there.
    path = getattr(scope.get("route"), "path", "other")
    REQUESTS.labels(path, status).inc()
    LATENCY.labels(path).observe(seconds)
    if path not in _QUIET or status >= 500:
        fields = {"method": scope["method"], "path": path, "status": status}
        log_event("request", **fields, ms=round(1000 * seconds, 2), **scope.get("counts", {}))
