"""Docs with entities, predicted and gold → precision, recall and F-score."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.training import Corpus, Example


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


def score_corpus(nlp: Language, path: Path, *, gold_words: bool) -> dict[str, Any]:
    """Score a pipeline on a corpus in DocBin format.

    nlp (Language): The trained pipeline.
    path (Path): The `.spacy` file.
    gold_words (bool): Whether the pipeline gets the corpus's own words (comparable
        with papers), or the text, which it tokenizes itself (what users get).
    RETURNS (Dict[str, Any]): spaCy's scores, and "n_docs", "n_entities".
    """
    corpus = Corpus(path, gold_preproc=gold_words)
    examples = list(corpus(nlp))
    scores = nlp.evaluate(examples)
    scores["n_docs"] = len(examples)
    scores["n_entities"] = sum(len(eg.reference.ents) for eg in examples)
    return scores
