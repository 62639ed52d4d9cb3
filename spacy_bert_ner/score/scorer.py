"""Docs with entities, predicted and gold → precision, recall and F-score."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..convert.annotated import ANNOTATED_KEY
from ..corpus.docbin import GroupCorpus
from ..decode.annotate import get_score
from ..tag.annotated import is_annotated
from ..tag.gold import find_gold_ents, find_missing, place_gold_ents
from ..tag.words import find_words
from .reliability import compute_ece


def make_ner_scorer_v1() -> Callable[..., dict[str, Any]]:
    """Create the scorer of `bert_ner`: spaCy's own entity scores.

    Entry point: spacy-bert-ner.ner_scorer.v1.
    """
    return score_entities


def score_entities(
    examples: Iterable[Example], *, spans_key: str | None = None, **cfg: Any
) -> dict[str, Any]:
    """Score entities; an entity is right if both borders and the label are right.

    examples (Iterable[Example]): Predicted and gold docs.
    spans_key (str | None): Score this group of `doc.spans` instead of `doc.ents`; for
        gold docs without it, use `doc.ents`.
    RETURNS (Dict[str, Any]): "ents_p", "ents_r", "ents_f" from 0 to 1 (`None`
        without any annotation), "ents_per_type", the same for each label, and
        "ents_ece", the calibration error of `ent._.score` (`None` without scores).
        With a `spans_key`, they begin with "spans_" and the key instead of "ents".
    """
    examples = list(examples)
    judged = [row[1:] for eg in examples for row in judge_entities(eg, spans_key)]
    probs, is_right = np.asarray(judged).reshape(-1, 2).T
    examples = [leave_out_unknown(eg, spans_key) for eg in examples]
    if spans_key is None:
        scores = {**get_ner_prf(examples, **cfg), "ents_ece": compute_ece(probs, is_right)}
        return sort_labels(scores)

    def read_group(doc: Doc, attr: str) -> Iterable[Span]:
        return find_gold_ents(doc, spans_key)

    prefix = f"spans_{spans_key}"
    scores = Scorer.score_spans(examples, prefix, getter=read_group, allow_overlap=True)
    return sort_labels({**scores, f"{prefix}_ece": compute_ece(probs, is_right)})


def leave_out_unknown(eg: Example, spans_key: str | None) -> Example:
    """Leave out the predicted entities whose label was not annotated in the gold doc.

    eg (Example): A predicted and a gold doc; neither is changed.
    spans_key (str | None): As in `score_entities`.
    RETURNS (Example): The example itself if all labels were annotated.
    """
    if ANNOTATED_KEY not in eg.reference.spans:
        return eg
    doc = eg.predicted.copy()
    kept = [ent for ent in find_gold_ents(doc, spans_key) if is_annotated(eg, ent)]
    if spans_key is None or spans_key not in doc.spans:
        doc.set_ents(kept)
    else:
        doc.spans[spans_key] = kept
    return Example(doc, eg.reference)


def sort_labels(scores: dict[str, Any]) -> dict[str, Any]:
    """Sort the scores of each label, because spaCy's order changes from run to run."""
    return {
        key: dict(sorted(value.items())) if key.endswith("_per_type") and value else value
        for key, value in scores.items()
    }


def judge_entities(eg: Example, spans_key: str | None = None) -> Iterator[tuple[str, float, bool]]:
    """Get the label and score of each predicted entity, and whether it is right.

    eg (Example): A predicted and a gold doc.
    spans_key (str | None): As in `score_entities`.
    YIELDS (Tuple[str, float, bool]): One for each entity, except those without a score
        or in text whose entities, or whose entities of this label, nobody annotated.
    """
    doc = eg.predicted
    words = find_words(doc)
    gold = {
        (int(words.tokens[ent.start]), int(words.tokens[ent.end - 1]) + 1, ent.label)
        for ent in place_gold_ents(eg, words, find_gold_ents(eg.reference, spans_key))
        if ent.fits
    }
    is_missing = np.zeros(len(doc), dtype=bool)
    if spans_key is None or spans_key not in eg.reference.spans:
        is_missing = find_missing(eg)
    ents = find_gold_ents(doc, spans_key)
    group = doc.spans.get(spans_key) if spans_key is not None else None
    scores = [] if group is None else list(group.attrs.get("scores", []))
    if len(scores) != len(ents):
        # `doc.ents`, or a group that something else has changed
        scores = [get_score(ent) for ent in ents]
    for ent, score in zip(ents, scores, strict=True):
        is_known = not is_missing[ent.start : ent.end].any() and is_annotated(eg, ent)
        if score is not None and is_known:
            yield ent.label_, score, (ent.start, ent.end, ent.label_) in gold


def score_corpus(nlp: Language, path: Path, *, gold_words: bool) -> dict[str, Any]:
    """Score a pipeline on a corpus in DocBin format.

    nlp (Language): The trained pipeline.
    path (Path): The `.spacy` file.
    gold_words (bool): Whether the pipeline gets the corpus's own words (comparable to
        papers), or the text, which it tokenizes itself (as users see it).
    RETURNS (Dict[str, Any]): spaCy's scores, and "n_docs", "n_entities".
    """
    corpus = GroupCorpus(path, gold_preproc=gold_words)
    examples = list(corpus(nlp))
    scores = nlp.evaluate(examples)
    scores["n_docs"] = len(examples)
    scores["n_entities"] = sum(len(eg.reference.ents) for eg in examples)
    return scores
