"""HTTP requests → the batches of one model → answers in JSON."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from spacy.language import Language
from starlette.exceptions import HTTPException

from ..pipe.bert_ner import BertNer
from .answers import check_request, list_labels, name_model, select_entities
from .batcher import Batcher, QueueFullError
from .guard import FAULT, Guard, Refusal
from .label_studio import label_studio_router
from .messages import (
    EntitiesAnswer,
    EntitiesRequest,
    ModelAnswer,
    Offsets,
    Problem,
    StatusAnswer,
    TextResult,
)
from .metrics import METRICS_TYPE, Metrics
from .pages import read_page
from .settings import ServerSettings

_router = APIRouter()
_NO_OBJECT = 'Expected {"texts": ["…"]} as the body, and the header content-type: application/json.'
_BUSY: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "The server stops, or the answer took too long."}
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON in UTF-8."},
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
    metrics = Metrics()
    app = FastAPI(
        title=f"{name_model(nlp)} {nlp.meta['version']}",
        description="Finds named entities in texts.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=_run_batcher,
    )
    app.state.batcher = Batcher(nlp, settings, metrics)
    app.state.metrics = metrics
    app.state.guard = Guard(app, settings, metrics)
    app.include_router(_router)
    app.include_router(label_studio_router, responses=_REFUSED)
    handlers: dict[Any, Any] = {
        RequestValidationError: _explain_invalid,
        HTTPException: _explain_refused,
        QueueFullError: _explain_full,
        Exception: _explain_fault,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return app.state.guard


@asynccontextmanager
async def _run_batcher(app: FastAPI) -> AsyncIterator[None]:
    batcher: Batcher = app.state.batcher
    task = asyncio.create_task(batcher.run())
    await batcher.find(["Ready?"])  # the first batch is slow, and shows whether the model works
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@_router.post("/v1/entities", response_model=EntitiesAnswer, responses=_REFUSED)
async def find_entities(
    request: Request,
    body: EntitiesRequest,
    offsets: Annotated[Offsets | None, Query(description="As in the body.")] = None,
) -> Response:
    """Find the named entities of some texts."""
    batcher: Batcher = request.app.state.batcher
    check_request(body, batcher)
    request.scope["counts"] = {"texts": len(body.texts), "chars": sum(map(len, body.texts))}
    found = await batcher.find(body.texts)
    unit = offsets or body.offsets
    answer = EntitiesAnswer(
        model=name_model(batcher.nlp),
        version=batcher.nlp.meta["version"],
        offsets=unit,
        results=[
            TextResult(entities=select_entities(text, ents, body, unit))
            for text, ents in zip(body.texts, found, strict=True)
        ],
    )
    return Response(answer.model_dump_json(), media_type="application/json")


@_router.get("/v1/model", response_model=ModelAnswer, responses=_BUSY)
async def describe_model(request: Request) -> ModelAnswer:
    """Describe the model and the limits of the server."""
    batcher: Batcher = request.app.state.batcher
    meta, settings = batcher.nlp.meta, batcher.settings
    return ModelAnswer(
        name=name_model(batcher.nlp),
        labels=list_labels(batcher.nlp),
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


@_router.get("/health", response_model=StatusAnswer, responses=_BUSY)
async def show_health() -> StatusAnswer:
    """Say that the process answers."""
    return StatusAnswer(status="UP")


@_router.get("/ready", response_model=StatusAnswer, responses=_BUSY)
async def show_readiness(request: Request) -> StatusAnswer:
    """Say whether new requests are accepted: 503 if the queue is full or the server stops."""
    batcher: Batcher = request.app.state.batcher
    if request.app.state.guard.is_stopping or batcher.queued >= batcher.settings.queue_words:
        raise HTTPException(503, "The server stops, or too much is waiting.", {"retry-after": "1"})
    return StatusAnswer(status="READY")


@_router.get("/metrics", response_class=PlainTextResponse)
async def show_metrics(request: Request) -> Response:
    """Show the numbers of the server in Prometheus' format."""
    return Response(request.app.state.metrics.show(), media_type=METRICS_TYPE)


@_router.get("/", include_in_schema=False)
async def show_page() -> Response:
    """Show the page on which one tries the model."""
    return read_page("page.html")


@_router.get("/docs", include_in_schema=False)
async def show_docs() -> Response:
    """Show what the API can do, made of /openapi.json."""
    return read_page("docs.html")


def _explain_invalid(_: Request, error: RequestValidationError) -> Response:
    # Neither the value nor its text: an answer, like a log, does not repeat what was sent.
    first = error.errors()[0]
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:]
    )
    if first["type"] == "json_invalid":
        return refuse(Refusal(422, f"The body is not JSON: {first['ctx']['error']}."))
    if not place:
        return refuse(Refusal(422, _NO_OBJECT))
    return refuse(Refusal(422, f"{place.lstrip('.')[:80]!a}: {first['msg']}."))


def _explain_refused(_: Request, error: HTTPException) -> Response:
    detail = {
        400: "The body cannot be read: send JSON in UTF-8.",
        404: "There is nothing here. /docs lists what there is.",
        405: "This path does not have that method. /docs lists what there is.",
    }.get(error.status_code, error.detail)
    return refuse(Refusal(error.status_code, detail, dict(error.headers or {})))


def _explain_full(_: Request, error: QueueFullError) -> Response:
    seconds = str(error.retry_after)
    return refuse(
        Refusal(429, f"Too much is waiting. Try again in {seconds} s.", {"retry-after": seconds})
    )


def _explain_fault(_: Request, error: Exception) -> Response:
    return refuse(FAULT)


def refuse(refusal: Refusal) -> Response:
    """RETURNS (Response): A refusal as FastAPI sends it."""
    return JSONResponse({"detail": refusal.detail}, refusal.status, refusal.headers)
