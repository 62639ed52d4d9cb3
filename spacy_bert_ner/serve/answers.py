"""A request → what of it is accepted; entities found → those that it wants."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from spacy.language import Language
from starlette.exceptions import HTTPException

from .batcher import Batcher, FoundEntity
from .messages import EntitiesRequest, EntityAnswer, Offsets

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_request(body: EntitiesRequest, batcher: Batcher) -> None:
    """Check a request against what the server and the model accept.

    body (EntitiesRequest): The request.
    batcher (Batcher): It knows the pipeline and the settings.
    RAISES (HTTPException): 422, if there are too many texts, one is too long, or a label
        is unknown.
    """
    settings, known = batcher.settings, list_labels(batcher.nlp)
    if len(body.texts) > settings.max_texts:
        raise HTTPException(
            422,
            f"{len(body.texts):,} texts, expected at most {settings.max_texts:,}. Send them in "
            "several requests.",
        )
    for i, text in enumerate(body.texts):
        if len(text) > settings.max_chars:
            raise HTTPException(
                422,
                f"texts[{i}] has {len(text):,} characters, expected at most "
                f"{settings.max_chars:,}. Cut it between paragraphs.",
            )
        if _SURROGATE.search(text):
            raise HTTPException(
                422,
                f"texts[{i}] has half of a surrogate pair, expected Unicode text. Cut texts "
                "between characters, not between UTF-16 units.",
            )
    for i, label in enumerate(body.labels or ()):
        if label not in known:
            raise HTTPException(
                422, f"labels[{i}] is {label[:40]!a}, expected one of: {', '.join(known)}."
            )


def select_entities(
    text: str, ents: Sequence[FoundEntity], body: EntitiesRequest, unit: Offsets
) -> list[EntityAnswer]:
    """Select the entities that a request wants.

    text (str): The text.
    ents (Sequence[FoundEntity]): All its entities.
    body (EntitiesRequest): Labels and threshold.
    unit (str): What offsets count.
    RETURNS (List[EntityAnswer]): The entities.
    """
    # Where UTF-16 needs two units for a character.
    pairs = [i for i, char in enumerate(text) if char > "\uffff"] if unit == "utf16" else []
    return [
        EntityAnswer(
            start=ent.start + bisect_left(pairs, ent.start),
            end=ent.end + bisect_left(pairs, ent.end),
            text=ent.text,
            label=ent.label,
            score=ent.score,
        )
        for ent in ents
        if body.labels is None or ent.label in body.labels
        if ent.score is None or ent.score >= body.threshold
    ]


def name_model(nlp: Language) -> str:
    """RETURNS (str): The name of a pipeline's package."""
    return f"{nlp.meta['lang']}_{nlp.meta['name']}"


def list_labels(nlp: Language) -> list[str]:
    """RETURNS (List[str]): The labels of the entities that a pipeline finds."""
    names = [name for name, pipe in nlp.pipeline if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    return sorted({label for name in names for label in nlp.pipe_labels.get(name, ())})
