"""Label Studio's requests to an ML backend → predictions with scores, in its regions."""

import json
from typing import Any, NamedTuple
from xml.etree import ElementTree

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from .batcher import Batcher
from .entities import read_request, select_entities
from .messages import StatusAnswer
from .training import Trainer

label_studio_router = APIRouter(prefix="/label-studio", tags=["Label Studio"])


class Tasks(BaseModel):
    """What Label Studio sends to /predict; other keys are not used."""

    tasks: list[dict[str, Any]] = Field(fail_fast=True)
    label_config: str


class Project(BaseModel):
    """The project of an event; other keys are not used."""

    id: int


class HookEvent(BaseModel):
    """What Label Studio sends to /webhook; other keys are not used."""

    action: str
    project: Project | None = None


class Interface(NamedTuple):
    """Where a project's interface shows the text, and what its regions are called.

    from_name (str): Name of the tag Labels.
    to_name (str): Name of the tag Text.
    field (str): Key of the text in a task's data.
    labels (Dict[str, str]): Label of the model → label of the project.
    """

    from_name: str
    to_name: str
    field: str
    labels: dict[str, str]


@label_studio_router.get("/health", response_model=StatusAnswer)
async def show_backend_health() -> StatusAnswer:
    """Say that the backend works."""
    return StatusAnswer(status="UP")


@label_studio_router.post("/setup")
async def set_up(request: Request) -> dict[str, str]:
    """Say which model answers; a project needs no other preparation."""
    return {"model_version": name_version(request.app.state.batcher)}


@label_studio_router.get("/versions")
async def list_versions(request: Request) -> dict[str, list[str]]:
    """List the one model that there is."""
    return {"versions": [name_version(request.app.state.batcher)]}


@label_studio_router.post("/predict")
async def predict_tasks(request: Request, body: Tasks) -> dict[str, Any]:
    """Predict the regions of some tasks; a task's score is that of its least certain one."""
    batcher: Batcher = request.app.state.batcher
    interface = read_interface(body.label_config, batcher.labels)
    texts = [_get_text(task, interface.field) for task in body.tasks]
    version, size = name_version(batcher), batcher.settings.max_texts
    results: list[dict[str, Any]] = []
    # Label Studio sends all tasks that someone has selected at once.
    for part in (texts[i : i + size] for i in range(0, len(texts), size)):
        content = json.dumps({"texts": part, "labels": list(interface.labels)}).encode()
        wanted = read_request(content, request.app.state.kind)
        for text, ents in zip(part, await batcher.find(part), strict=True):
            selected = select_entities(text, ents, wanted, "utf16")
            scores = [ent["score"] for ent in selected if ent["score"] is not None]
            regions = [_make_region(i, ent, interface) for i, ent in enumerate(selected)]
            score = min(scores, default=None)
            results.append({"model_version": version, "score": score, "result": regions})
    return {"results": results, "model_version": version}


@label_studio_router.post("/webhook", status_code=201)
async def take_event(request: Request, body: HookEvent) -> dict[str, Any]:
    """Start to train if someone asks for it in Label Studio; other events change nothing."""
    trainer: Trainer = request.app.state.trainer
    if body.action == "START_TRAINING" and body.project:
        trainer.start(body.project.id)
    return trainer.show()


@label_studio_router.get("/training")
async def show_training(request: Request) -> dict[str, Any]:
    """Show how far the last training run is, or why it failed."""
    trainer: Trainer = request.app.state.trainer
    return trainer.show()


def name_version(batcher: Batcher) -> str:
    """RETURNS (str): The model's name and version."""
    return f"{batcher.name} {batcher.version}"


def read_interface(config: str, known: list[str]) -> Interface:
    """Read how a project labels spans of a text.

    config (str): Its labelling interface, in XML.
    known (List[str]): The labels of the model. Those that the project does not have, not
        even in other letters of the case, are left out.
    RETURNS (Interface): The names in it, from the tag Labels that has most of these labels.
    RAISES (HTTPException): 422, if no tag Labels belongs to a tag Text.
    """
    if "<!" in config.replace("<!--", ""):  # a document type could define entities
        raise HTTPException(422, "label_config has a document type, expected only tags.")
    try:
        root = ElementTree.fromstring(config)  # noqa: S314 - nothing is defined in it
    except (ElementTree.ParseError, ValueError) as error:
        raise HTTPException(422, f"label_config is not XML: {str(error)!a}.") from error
    texts = {
        tag.get("name"): tag.get("value", "")
        for tag in root.iter("Text")
        if tag.get("valueType") != "url"  # the field has an address, not the text
    }
    best = None
    for tag in root.iter("Labels"):
        target = tag.get("toName")
        if target in texts and texts[target].startswith("$"):
            labels = _match_labels(tag, known)
            if best is None or len(labels) > len(best.labels):
                best = Interface(tag.get("name", ""), str(target), texts[target][1:], labels)
    if best is None:
        raise HTTPException(
            422,
            "label_config has no Labels for a Text whose value is a field of the task with the "
            "text itself, like $text.",
        )
    return best


def _match_labels(tag: ElementTree.Element, known: list[str]) -> dict[str, str]:
    # A region's label is the alias, if there is one.
    names = {
        name: label.get("alias") or name
        for label in tag.iter("Label")
        for name in (label.get("value"), label.get("alias"))
        if name
    }
    folded = {name.casefold(): label for name, label in names.items()}
    return {
        label: names.get(label) or folded[label.casefold()]
        for label in known
        if label.casefold() in folded
    }


def _get_text(task: dict[str, Any], field: str) -> str:
    data = task.get("data")
    text = data.get(field) if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise HTTPException(422, f"A task has no text in its data under {field[:40]!a}.")
    return text


def _make_region(i: int, ent: dict[str, Any], interface: Interface) -> dict[str, Any]:
    label = interface.labels[ent["label"]]
    return {
        "id": f"entity-{i}",
        "from_name": interface.from_name,
        "to_name": interface.to_name,
        "type": "labels",
        "score": ent["score"],
        "value": {**{key: ent[key] for key in ("start", "end", "text")}, "labels": [label]},
    }
