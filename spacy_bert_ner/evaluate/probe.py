"""A `bert_ner` and its gold docs → its loss, and the tags before they are decoded."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..encode.shim import EncoderShim
from ..encode.transformer import get_shim
from ..pipe.bert_ner import BertNer
from ..pipe.upstream import pipe_before
from ..tag.words import find_words
from .counts import Scores
from .predict import make_blank_copy, read_examples
from .rules import TagPair, score_by_rules


def probe_tags(nlp: Language, path: Path) -> Scores | None:
    """Measure the loss, and score each word's best tag by itself.

    Tutorials decode tags like this. They can be ill-formed, and tools read ill-formed tags
    differently.

    nlp (Language): The pipeline.
    path (Path): The `.spacy` file; its own words are used.
    RETURNS (Dict[str, Any] | None): "loss" (mean of a tagged word, in nats; `None` without
        tagged words), "rules" and "ill_formed" from `score_by_rules`. `None`
        unless the pipeline has one `bert_ner` that writes IOB2 tags to `doc.ents`.
    """
    at = [
        i
        for i, (_, proc) in enumerate(nlp.pipeline)
        if isinstance(proc, BertNer) and proc.spans_key is None
    ]
    if len(at) != 1:
        return None
    ner: Any = nlp.pipeline[at[0]][1]
    if ner.scheme != "IOB2":
        return None
    pairs: list[TagPair] = []
    loss = n_tagged = 0.0
    examples = (eg for _, eg in read_examples(nlp, path, gold_words=True))
    for batch in minibatch(examples, nlp.batch_size):
        batch_loss, batch_pairs = _probe_batch(nlp, at[0], batch)
        pairs += batch_pairs
        n_batch = sum(len(gold) for gold, _ in batch_pairs)
        # The loss of a batch is the mean over its words.
        loss += batch_loss * n_batch
        n_tagged += n_batch
    return {"loss": loss / n_tagged if n_tagged else None, **score_by_rules(pairs)}


def _probe_batch(nlp: Language, at: int, batch: Sequence[Example]) -> tuple[float, list[TagPair]]:
    ner: Any
    name, ner = nlp.pipeline[at]
    docs = pipe_before(nlp, name, [make_blank_copy(eg.predicted) for eg in batch])
    scores = ner.model.predict(docs)
    examples = [Example(doc, eg.reference) for doc, eg in zip(docs, batch, strict=True)]
    with warnings.catch_warnings():
        # Entities whose label it does not have count as missing in the loss, but not in the scores.
        warnings.filterwarnings("ignore", message="Gold entities with the label")
        loss, _ = ner.get_loss(examples, scores)
    return loss, list(_read_pairs(examples, [ner.model.ops.to_numpy(X) for X in scores], ner.tags))


def _read_pairs(
    examples: Sequence[Example], scores: Sequence[np.ndarray], tags: Sequence[str]
) -> Iterator[TagPair]:
    for eg, X in zip(examples, scores, strict=True):
        gold = eg.get_aligned_ner()
        words = [i for i in find_words(eg.predicted).tokens.tolist() if gold[i] not in (None, "-")]
        best = X.argmax(axis=1).tolist() if len(X) else []
        yield [_to_iob2(gold[i]) for i in words], [tags[best[i]] for i in words]


def _to_iob2(tag: str) -> str:
    return {"U": "B", "L": "I"}.get(tag[0], tag[0]) + tag[1:]


def count_pieces(nlp: Language, words: Sequence[Sequence[str]]) -> list[list[int]] | None:
    """Count the wordpieces into which the pipeline's encoder splits words.

    nlp (Language): The pipeline.
    words (Sequence[Sequence[str]]): The words of each line.
    RETURNS (List[List[int]] | None): Number of pieces of each word; `None` unless the
        pipeline has an encoder of this package.
    """
    models: list[Any] = [getattr(proc, "model", None) for _, proc in nlp.pipeline]
    for model in models:
        for node in model.walk() if hasattr(model, "walk") else ():
            if any(isinstance(shim, EncoderShim) for shim in node.shims):
                checkpoint, _ = get_shim(node).require()
                distinct = sorted({word for line in words for word in line})
                pieces = checkpoint.cutter(distinct, True)
                table = dict(zip(distinct, map(len, pieces), strict=True))
                return [[table[word] for word in line] for line in words]
    return None
