"""Dev examples → an error before training if they cannot choose the best model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example


def check_dev(examples: Iterable[Example], training: Mapping[str, Any]) -> None:
    """Check that the dev examples can choose the best model.

    examples (Iterable[Example]): The dev examples.
    training (Mapping[str, Any]): The section [training], with `dev_corpus` and
        `score_weights`.
    RAISES (ValueError): If there are no tokens, or if only entities are scored and there
        are no gold entities.
    """
    name = training["dev_corpus"]
    docs = [eg.reference for eg in examples if len(eg.reference)]
    if not docs:
        raise ValueError(
            f"{name}: no docs with tokens, expected dev data to choose the best model by. Use "
            "another file, or split one off the training data."
        )
    scores = [score for score, weight in training["score_weights"].items() if weight]
    if not scores or not all(score.startswith(("ents_", "spans_")) for score in scores):
        return
    keys = {_read_key(score) for score in scores}
    if any(len(read_spans(doc, key)) for doc in docs for key in keys):
        return
    is_annotated = keys != {None} or any(doc.has_annotation("ENT_IOB") for doc in docs)
    raise ValueError(
        f"{name}: no entity{'' if is_annotated else ' annotation'} in {len(docs)} "
        f"doc{'s' if len(docs) > 1 else ''}, so every evaluation would score 0 and the first "
        "model would be kept as the best. Use dev data with entities, or set other scores in "
        "[training.score_weights]."
    )


def _read_key(score: str) -> str | None:
    return score.removeprefix("spans_").rpartition("_")[0] if score.startswith("spans_") else None


def read_spans(doc: Doc, key: str | None) -> Sequence[Span]:
    """Read the gold entities of a doc.

    doc (Doc): The doc.
    key (str | None): The key in `doc.spans`; `None` for `doc.ents`.
    RETURNS (Sequence[Span]): The entities.
    """
    return doc.ents if key is None else list(doc.spans.get(key, ()))
