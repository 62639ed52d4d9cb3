"""The JSON of a request for entities → batches → the JSON of its answer."""

import json
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .batcher import Batcher, FoundEntity
from .messages import EntitiesRequest, Offsets

_DESCRIBED = "/docs describes the request."
_ADVICE = 'Send {"texts": ["…"]}, as /docs describes.'
# To describe more faults of a request takes seconds, in which nobody else is answered.
_MANY = 1_000


def make_endpoint(
    batcher: Batcher, kind: type[EntitiesRequest]
) -> Callable[[Request], Awaitable[Response]]:
    """Make the endpoint of `POST /v1/entities`, which FastAPI describes but does not run.

    batcher (Batcher): Predicts.
    kind (Type[EntitiesRequest]): The request within the limits of the server.
    RETURNS (Callable): The endpoint.
    """

    async def find_entities(request: Request) -> Response:
        """Find the named entities of some texts."""
        media_type = request.headers.get("content-type", "").lower()
        if not media_type.startswith("application/json"):
            # A page of another site may send other types without asking the server first.
            raise HTTPException(422, "Expected the header content-type: application/json.")
        body = read_request(await request.body(), kind, _ADVICE)
        refuse_unknown_labels(body.labels, batcher.labels)
        body.labels = body.labels and [*{*body.labels}]  # a client could repeat one
        unit = request.query_params.get("offsets", body.offsets)
        if unit not in get_args(Offsets):
            raise HTTPException(422, f"offsets: expected {' or '.join(get_args(Offsets))}.")
        request.scope["counts"] = {"texts": len(body.texts), "chars": sum(map(len, body.texts))}
        found = await batcher.find(body.texts)
        answer = {
            "model": batcher.name,
            "version": batcher.version,
            "offsets": unit,
            "results": [
                {"entities": select_entities(text, ents, body, unit)}
                for text, ents in zip(body.texts, found, strict=True)
            ],
        }
        return Response(json.dumps(answer), media_type="application/json")

    return find_entities


def read_request(
    content: bytes, kind: type[EntitiesRequest], advice: str = _DESCRIBED
) -> EntitiesRequest:
    """Read and check a request.

    content (bytes): JSON in UTF-8.
    kind (Type[EntitiesRequest]): The request within the limits of the server.
    advice (str): Ends the sentences of a refusal.
    RETURNS (EntitiesRequest): The request.
    RAISES (HTTPException): 422, if it is not as the server accepts it.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        if error.error_count() > _MANY:
            detail = f"The body has {error.error_count():,} faults. {advice}"
        else:
            detail = explain_invalid(error.errors()[0], advice)
        raise HTTPException(422, detail) from None


def explain_invalid(error: Any, advice: str = _DESCRIBED) -> str:
    """Say what is wrong with a request, without its text: an answer, like a log, repeats none.

    error (ErrorDetails): The first error that pydantic found.
    advice (str): Ends the sentences.
    RETURNS (str): What is wrong, and the advice.
    """
    if error["type"] == "json_invalid":
        what = f"The body is not JSON: {error['ctx']['error']}"
    else:
        parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]]
        place = "".join(parts).lstrip(".") or "The body"
        what = f"{place[:80]!a}: {error['msg']}"
        if error["type"] == "string_too_long":
            n_most = error["ctx"]["max_length"]
            found = f"{len(error['input']):,} characters, expected at most {n_most:,}"
            return f"{place[:80]!a}: {found}. Split the text."
    return f"{what}. {advice}"


def refuse_unknown_labels(labels: Sequence[str] | None, known: Sequence[str]) -> None:
    """Check that the model knows some labels.

    labels (Optional[Sequence[str]]): The labels of a request.
    known (Sequence[str]): Those of the model.
    RAISES (HTTPException): 422, if it does not know one.
    """
    for i, label in enumerate(labels or ()):
        if label not in known:
            raise HTTPException(
                422, f"labels[{i}] is {label[:40]!a}, expected one of: {', '.join(known)}."
            )


def select_entities(
    text: str, ents: Sequence[FoundEntity], body: EntitiesRequest, unit: str
) -> list[dict[str, Any]]:
    """Select the entities that a request wants.

    text (str): The text.
    ents (Sequence[FoundEntity]): All its entities.
    body (EntitiesRequest): Labels and threshold.
    unit (str): What offsets count.
    RETURNS (List[Dict[str, Any]]): The entities, as `EntityAnswer` describes them.
    """
    # Where UTF-16 needs two units for a character.
    pairs = [i for i, char in enumerate(text) if char > "\uffff"] if unit == "utf16" else []
    return [
        {
            **ent._asdict(),
            "start": ent.start + bisect_left(pairs, ent.start),
            "end": ent.end + bisect_left(pairs, ent.end),
        }
        for ent in ents
        if body.labels is None or ent.label in body.labels
        if ent.score is None or ent.score >= body.threshold
    ]
