"""Docs with entities, predicted and gold → precision, recall and F-score."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import get_ner_prf
from spacy.training import Example


def make_ner_scorer_v1() -> Callable[..., dict[str, Any]]:
    """Make the scorer of `bert_ner`: spaCy's own entity scores.

    Entry point: spacy-bert-ner.ner_scorer.v1.
    """
    return score_entities


def score_entities(examples: Iterable[Example], **cfg: Any) -> dict[str, Any]:
    """Score entities: right only if both borders and the label are.

    examples (Iterable[Example]): Predicted and gold docs.
    RETURNS (Dict[str, Any]): "ents_p", "ents_r", "ents_f" from 0 to 1 (`None`
        without any annotation) and "ents_per_type", the same for each label.
    """
    return get_ner_prf(examples, **cfg)
