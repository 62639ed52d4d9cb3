"""The pipeline component: docs → tag scores → entities with probabilities."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from spacy import util
from spacy.tokens import Doc
from spacy.training import Example
from thinc.types import Floats2d

from ..decode.annotate import hide_found, write_ents, write_scores, write_spans
from ..decode.entities import ScoredSpan, find_entities, find_tag_probs, split_spans
from ..decode.readings import find_readings
from ..tag.tag_set import Span
from ..tag.words import Words, join_words
from .rehearsing_pipe import RehearsingPipe
from .upstream import require_vectors


class BertNer(RehearsingPipe):
    """Recognise entities by scoring the tags of each token.

    The component predicts the best tag path that the scheme allows. Whitespace gets no
    tag: an entity may cross a line break, but not a blank line and, if the doc has
    sentences, not a sentence border. Like spaCy's `ner`, the component keeps entities
    that are already set.
    """

    def predict(self, docs: Iterable[Doc]) -> list[list[ScoredSpan]]:
        """Find the entities of some docs, without changing the docs.

        docs (Iterable[Doc]): The docs; empty ones are fine.
        RETURNS (List[List[ScoredSpan]]): The new entities of each doc.
        """
        docs = list(docs)
        words, scores = self.score_tags(docs)
        found = find_entities(scores, words, self.tag_model, self.temperatures)
        kept = [span for span in found if span.score >= self._get_threshold(span.label)]
        return split_spans(kept, [len(doc) for doc in docs])

    def score_tags(self, docs: Sequence[Doc]) -> tuple[Words, np.ndarray]:
        """Score the tags of all words; inside an existing entity, only "O" is possible.

        docs (Sequence[Doc]): The docs.
        RETURNS (Tuple[Words, ndarray]): The words of the joined docs, and their scores.
            Shape: (n_words, n_tags).
        RAISES (ValueError): If a doc has no transformer vectors, or a score is not finite.
        """
        words = join_words(docs)
        if not len(words.tokens):
            return words, np.zeros((0, len(self.tags)))
        self._require_model()
        require_vectors(docs, self.name, self.model)
        doc_scores = self.model.predict(list(docs))
        scores = self.model.ops.to_numpy(self.model.ops.xp.concatenate(doc_scores))
        scores = scores[words.tokens]
        if not np.isfinite(scores).all():
            raise ValueError(self._describe_damage(docs, doc_scores))
        if self.spans_key is None:
            # Column 0 is "O".
            scores[words.is_preset, 1:] = -np.inf
        return words, scores

    def _describe_damage(self, docs: Sequence[Doc], scores: Sequence[Floats2d]) -> str:
        is_damaged = [not self.model.ops.xp.isfinite(X).all() for X in scores]
        first = docs[is_damaged.index(True)]
        return (
            f"'{self.name}' found tag scores that are not finite numbers in {sum(is_damaged)} of "
            f"{len(docs)} docs, the first of which begins with {first.text[:60]!r}. Numbers above "
            "65,504 are infinite in float16: set `compute_dtype` of the transformer's model to "
            '"float32" or "bfloat16". If that doesn\'t help, the weights are damaged.'
        )

    def _get_threshold(self, label: str) -> float:
        given = self.threshold
        return given.get(label, 0.0) if isinstance(given, dict) else given

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Find the entities of a stream of docs.

        If a batch fails, its docs are tried one by one, so that the error handler
        (`nlp.set_error_handler`) gets only the docs that fail.

        stream (Iterable[Doc]): The docs.
        batch_size (int): Number of docs to predict at once.
        YIELDS (Doc): The docs in order, without those that failed.
        """
        for docs in util.minibatch(stream, batch_size):
            yield from self._annotate(docs)

    def _annotate(self, docs: list[Doc]) -> list[Doc]:
        try:
            self.set_annotations(docs, self.predict(docs))
        except Exception as error:
            if len(docs) > 1:
                return [done for doc in docs for done in self._annotate([doc])]
            self.get_error_handler()(self.name, self, docs, error)
            return []
        return docs

    def set_annotations(self, docs: Iterable[Doc], spans: list[list[ScoredSpan]]) -> None:
        """Write entities to docs, and their probabilities to `doc._.ent_scores`.

        docs (Iterable[Doc]): The docs.
        spans (List[List[ScoredSpan]]): The result of `predict` for the docs.
        """
        docs = list(docs)
        if self.spans_key is None:
            write_ents(docs, spans)
        for doc, doc_spans in zip(docs, spans, strict=True):
            if self.spans_key is not None:
                write_spans(doc, doc_spans, self.spans_key)
            write_scores(doc, doc_spans, self.spans_key)

    def predict_tag_probs(self, doc: Doc) -> np.ndarray:
        """Get the probability of each tag for each token of a doc.

        Ignores entities that a `bert_ner` has found, and temperatures of individual labels.

        doc (Doc): The doc, after the components before this one. Whitespace is always "O".
        RETURNS (ndarray): Columns as in `tags`. Shape: (n_tokens, n_tags).
        RAISES (ValueError): If the doc has no transformer vectors.
        """
        words, scores = self._score_alone(doc)
        probs = np.zeros((len(doc), len(self.tags)))
        probs[:, 0] = 1.0
        if len(words.tokens):
            probs[words.tokens] = find_tag_probs(
                scores, words, self.tag_model, self.temperatures.default
            )
        return probs

    def predict_readings(self, doc: Doc, k: int = 3) -> list[tuple[list[Span], float]]:
        """Get the k most probable readings of a whole doc.

        Ignores entities that a `bert_ner` has found, and temperatures of individual labels.

        doc (Doc): The doc, after the components before this one.
        k (int): Number of readings, at least 1; fewer if there are not that many.
        RETURNS (List[Tuple[List[Tuple[int, int, str]], float]]): The entities of each
            reading as (start, end, label) in tokens, and its probability; best first.
        RAISES (ValueError): If k is below 1, or the doc has no transformer vectors.
        """
        if k < 1:
            raise ValueError(
                f"predict_readings of '{self.name}' got k = {k}, expected 1 or more: it is the "
                "number of readings."
            )
        words, scores = self._score_alone(doc)
        if not len(words.tokens):
            return [([], 1.0)]
        return find_readings(scores, words, self.tag_model, self.temperatures.default, k)

    def _score_alone(self, doc: Doc) -> tuple[Words, np.ndarray]:
        return self.score_tags([hide_found(doc)])

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score examples with the component's scorer; see `TrainablePipe.score`."""
        return super().score(examples, spans_key=self.spans_key, **kwargs)
