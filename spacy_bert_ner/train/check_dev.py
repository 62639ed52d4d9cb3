"""The dev examples of a run → an error before training if they can't choose the best model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example


def check_dev(examples: Iterable[Example], training: Mapping[str, Any]) -> None:
    """Check that the scores that choose the best model can be computed.

    examples (Iterable[Example]): The dev examples.
    training (Mapping[str, Any]): The section of the config: `dev_corpus` and
        `score_weights`.
    RAISES (ValueError): If there are no tokens; or if only entities are scored, and
        there are none, or no annotation.
    """
    name = training["dev_corpus"]
    docs = [eg.reference for eg in examples if len(eg.reference)]
    if not docs:
        raise ValueError(
            f"{name}: no docs with tokens, expected a dev part that chooses the best model. Give "
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
        "model would be kept as the best. Give a dev part with entities, or choose by other "
        "scores in [training.score_weights]."
    )


def _read_key(score: str) -> str | None:
    return score.removeprefix("spans_").rpartition("_")[0] if score.startswith("spans_") else None


def read_spans(doc: Doc, key: str | None) -> Sequence[Span]:
    """Give the gold entities of a doc.

    doc (Doc): The doc.
    key (str | None): Of `doc.spans`; `None` for `doc.ents`.
    RETURNS (Sequence[Span]): The entities.
    """
    return doc.ents if key is None else list(doc.spans.get(key, ()))
