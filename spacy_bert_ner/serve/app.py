"""HTTP requests → the batches of one model → answers in JSON."""

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from spacy.language import Language
from starlette.exceptions import HTTPException

from ..pipe.bert_ner import BertNer
from .batcher import Batcher
from .entities import explain_invalid, make_endpoint
from .guard import Guard, explain
from .label_studio import label_studio_router
from .messages import (
    EntitiesAnswer,
    ModelAnswer,
    Problem,
    StatusAnswer,
    describe_request,
    limit_request,
)
from .monitor import log_event, show_metrics
from .settings import ServerSettings
from .training import Trainer

_router = APIRouter()
_BUSY: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "The server stops, or the answer took too long."}
}
_UNREADABLE = {"model": Problem, "description": "The body is not JSON in UTF-8."}
_REFUSED: dict[int | str, dict[str, Any]] = {
    408: {"model": Problem, "description": "The body took too long to arrive."},
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Problem, "description": "The request is not as described here."},
    429: {"model": Problem, "description": "Too much is waiting; try again after Retry-After."},
    **_BUSY,
}


def make_app(nlp: Language, settings: ServerSettings) -> Guard:
    """Make the application that serves a pipeline.

    nlp (Language): The pipeline.
    settings (ServerSettings): Batches and limits.
    RETURNS (Guard): The ASGI application.
    """
    settings = replace(settings, max_chars=min(settings.max_chars, nlp.max_length))
    handlers: dict[Any, Any] = {HTTPException: explain, RequestValidationError: _explain_fields}
    app = FastAPI(
        title="Named entities",
        description="Finds named entities in texts.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=_run_batcher,
        redirect_slashes=False,
        exception_handlers=handlers,
    )
    batcher = app.state.batcher = Batcher(nlp, settings)
    app.state.trainer = Trainer(batcher)
    kind = app.state.kind = limit_request(settings)
    app.add_api_route(
        "/v1/entities",
        make_endpoint(batcher, kind),
        methods=["POST"],
        response_model=EntitiesAnswer,
        responses=_REFUSED,
        openapi_extra=describe_request(kind),
    )
    guard = app.state.guard = Guard(app, settings, app.routes[-1])
    app.include_router(_router, responses=_BUSY)
    app.include_router(label_studio_router, responses={400: _UNREADABLE, **_REFUSED})
    return guard


@contextlib.asynccontextmanager
async def _run_batcher(app: FastAPI) -> AsyncIterator[None]:
    batcher: Batcher = app.state.batcher
    task = asyncio.create_task(batcher.run())
    await batcher.find(["Ready?"])  # the first batch is slow, and shows whether the model works
    log_event("ready")
    yield
    await app.state.trainer.stop()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _explain_fields(request: Request, error: RequestValidationError) -> Response:
    first = {**error.errors()[0]}
    first["loc"] = first["loc"][1:]  # without "body"
    return explain(request, HTTPException(422, explain_invalid(first)))


@_router.get("/v1/model", response_model=ModelAnswer)
async def describe_model(request: Request) -> ModelAnswer:
    """Describe the model and the limits of the server."""
    batcher: Batcher = request.app.state.batcher
    meta, settings = batcher.nlp.meta, batcher.settings
    return ModelAnswer(
        name=batcher.name,
        labels=batcher.labels,
        performance=meta.get("performance") or {},
        sources=meta.get("sources") or [],
        limits={
            "texts": settings.max_texts,
            "characters": settings.max_chars,
            "bytes": settings.max_body,
        },
        has_scores=any(isinstance(pipe, BertNer) for _, pipe in batcher.nlp.pipeline),
        **{
            key: str(meta.get(key) or "")
            for key in ("version", "lang", "description", "license", "author")
        },
    )


@_router.get("/health", response_model=StatusAnswer)
async def show_health() -> StatusAnswer:
    """Say that the process answers."""
    return StatusAnswer(status="UP")


@_router.get("/ready", response_model=StatusAnswer)
async def show_readiness(request: Request) -> StatusAnswer:
    """Say whether new requests are accepted: 503 if the queue is full or the server stops."""
    batcher: Batcher = request.app.state.batcher
    if request.app.state.guard.is_stopping or batcher.queued >= batcher.settings.queue_words:
        raise HTTPException(503)
    return StatusAnswer(status="READY")


@_router.get("/metrics", response_class=PlainTextResponse)
async def give_metrics() -> Response:
    """Give the numbers of the server in Prometheus' format."""
    return Response(show_metrics(), media_type=CONTENT_TYPE_LATEST)


@_router.get("/", include_in_schema=False)
async def show_page() -> Response:
    """Show the page on which one tries the model."""
    return _read_page("page.html")


@_router.get("/docs", include_in_schema=False)
async def show_docs() -> Response:
    """Show what the API can do, made of /openapi.json."""
    return _read_page("docs.html")


@cache
def _read_page(name: str) -> Response:
    # One HTML file whose policy allows only its own style and script, and no other host.
    text = (Path(__file__).parent / name).read_text(encoding="utf8")
    policy = "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
    policy += "form-action 'none'; frame-ancestors 'none'"
    for tag in ("style", "script"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        policy += f"; {tag}-src 'sha256-{digest}'"
    headers = {"referrer-policy": "no-referrer", "cache-control": "no-cache"}
    return HTMLResponse(text, headers={**headers, "content-security-policy": policy})
