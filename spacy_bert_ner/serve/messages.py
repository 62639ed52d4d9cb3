"""The JSON of requests and answers, as OpenAPI describes it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from .settings import ServerSettings

Offsets = Literal["characters", "utf16"]
_TEXTS = "The texts; empty ones are fine."


class EntitiesRequest(BaseModel):
    """Texts, and which of their entities to give."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"texts": ["Alex lives in London."], "threshold": 0.5}},
    )

    texts: list[str] = Field(min_length=1, description=_TEXTS)
    labels: list[str] | None = Field(
        default=None,
        fail_fast=True,
        description="Give only entities with these labels; by default, all.",
    )
    threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Give only entities with at least this score; those without a score stay.",
    )
    offsets: Offsets = Field(
        default="characters",
        description="Count code points, as Python does, or UTF-16 units, as JavaScript does.",
    )


def limit_request(settings: ServerSettings) -> type[EntitiesRequest]:
    """RETURNS (Type[EntitiesRequest]): The request within the limits of a server."""
    text = Annotated[str, Field(max_length=settings.max_chars)]
    texts = Field(min_length=1, max_length=settings.max_texts, description=_TEXTS)
    return create_model("EntitiesRequest", __base__=EntitiesRequest, texts=(list[text], texts))


def describe_request(kind: type[EntitiesRequest]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Body and parameter of `POST /v1/entities`, for OpenAPI."""
    schema = kind.model_json_schema()
    offsets = schema["properties"]["offsets"]
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    query = {"name": "offsets", "in": "query", "description": "As in the body.", "schema": offsets}
    return {"requestBody": body, "parameters": [query]}


class EntityAnswer(BaseModel):
    """An entity of a text."""

    start: int = Field(description="Offset of its first character.")
    end: int = Field(description="Offset after its last character.")
    text: str
    label: str
    score: float | None = Field(description="Its probability; null if the model gives none.")


class TextResult(BaseModel):
    """The entities of one text, in their order."""

    entities: list[EntityAnswer]


class EntitiesAnswer(BaseModel):
    """One result for each text, in the order of the request."""

    model: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    offsets: Offsets
    results: list[TextResult]


class ModelAnswer(BaseModel):
    """What the model's meta.json says, and what the server accepts."""

    name: str
    version: str
    lang: str
    description: str
    license: str
    author: str
    sources: list[Any]
    labels: list[str] = Field(description="Labels of entities that the model can find.")
    has_scores: bool = Field(description="Whether its entities have scores.")
    performance: dict[str, Any] = Field(description="Scores on its test set.")
    limits: dict[str, float]


class StatusAnswer(BaseModel):
    """Whether the server works."""

    status: str


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str
