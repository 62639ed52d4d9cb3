"""The pipeline component: docs → tag scores → entities with probabilities."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from thinc.api import Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..decode.annotate import hide_found, write_ents, write_scores, write_spans
from ..decode.crf import compute_path_loss
from ..decode.entities import ScoredSpan, find_entities, find_tag_probs, split_spans
from ..decode.readings import find_readings
from ..tag.gold import collect_labels, count_tags, read_gold_tags
from ..tag.loss import balance_tags, compute_tag_loss, weigh_tags
from ..tag.sizes import set_size
from ..tag.tag_rows import TagScores, join_scores, merge_neighbours
from ..tag.tag_set import Span
from ..tag.words import Words, find_words, join_words
from .labelled_pipe import LabelledPipe
from .upstream import require_transformer, require_vectors


class BertNer(LabelledPipe):
    """Recognise entities by scoring the tags of each token.

    Among the tag paths that the scheme allows, the best one is taken. White space
    gets no tag of its own: an entity may run across a line break, but not across a
    blank line or into the next sentence (where the doc has sentences). Entities
    that a doc already has are kept, as spaCy's `ner` does.
    """

    def predict(self, docs: Iterable[Doc]) -> list[list[ScoredSpan]]:
        """Find the entities of some docs, without changing the docs.

        docs (Iterable[Doc]): The docs; empty ones are fine.
        RETURNS (List[List[ScoredSpan]]): For each doc its new entities.
        """
        docs = list(docs)
        words, scores = self.score_tags(docs)
        found = find_entities(scores, words, self.tag_model, self.temperatures)
        kept = [span for span in found if span.score >= self._get_threshold(span.label)]
        return split_spans(kept, [len(doc) for doc in docs])

    def score_tags(self, docs: Sequence[Doc]) -> tuple[Words, np.ndarray]:
        """Score the tags of all words; inside an existing entity, only "O" is possible.

        docs (Sequence[Doc]): The docs.
        RETURNS (Tuple[Words, ndarray]): The words of the docs joined, and their
            scores. Shape: (n_words, n_tags).
        """
        words = join_words(docs, [find_words(doc) for doc in docs])
        if not len(words.tokens):
            return words, np.zeros((0, len(self.tags)))
        self._require_model()
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

        A batch that fails is tried again doc by doc, so that the error handler
        (`nlp.set_error_handler`) gets only the docs that fail.

        stream (Iterable[Doc]): The docs.
        batch_size (int): How many are predicted together.
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
        spans (List[List[ScoredSpan]]): What `predict` gave for them.
        """
        for doc, doc_spans in zip(docs, spans, strict=True):
            if self.spans_key is None:
                write_ents(doc, doc_spans)
            else:
                write_spans(doc, doc_spans, self.spans_key)
            write_scores(doc, doc_spans, self.spans_key)

    def predict_tag_probs(self, doc: Doc) -> np.ndarray:
        """Give the probability of each tag for each token of a doc.

        Entities that a `bert_ner` has found are ignored.
        Temperatures of single labels are not used.

        doc (Doc): The doc, as the components before this one give it. White space is
            always "O".
        RETURNS (ndarray): Columns as in `tags`. Shape: (n_tokens, n_tags).
        RAISES (ValueError): If the doc has no vectors of the transformer.
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
        """Give the k most probable readings of a whole doc.

        Entities that a `bert_ner` has found are ignored.
        Temperatures of single labels are not used.

        doc (Doc): The doc, as the components before this one give it.
        k (int): How many, at least 1; fewer are given if there are not as many.
        RETURNS (List[Tuple[List[Tuple[int, int, str]], float]]): The entities of each
            reading as (start, end, label) in tokens, and its probability; best first.
        RAISES (ValueError): If k is below 1, or the doc has no vectors of the transformer.
        """
        if k < 1:
            raise ValueError(
                f"predict_readings of '{self.name}' got k = {k}, expected 1 or more: it is the "
                "number of readings to give."
            )
        words, scores = self._score_alone(doc)
        if not len(words.tokens):
            return [([], 1.0)]
        return find_readings(scores, words, self.tag_model, self.temperatures.default, k)

    def _score_alone(self, doc: Doc) -> tuple[Words, np.ndarray]:
        require_vectors(doc, self.name, self.model)
        return self.score_tags([hide_found(doc)])

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The batch. Words whose gold tag is missing, or
            doesn't fit the predicted doc's tokens, are left out.
        drop (float): The dropout rate.
        sgd (Optimizer | None): The optimizer; without one, gradients accumulate.
        losses (Dict[str, float] | None): Where the loss is added up, by name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BertNer.update")
        if not any(len(eg.predicted) for eg in examples):
            return losses
        self._require_model()
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update([eg.predicted for eg in examples])
        loss, d_scores, d_steps = self._compute_loss(examples, scores)
        backprop(cast(Any, d_scores))
        if d_steps is not None:
            gradient: Any = self.model.ops.xp.asarray(d_steps, dtype="float32")
            self.model.get_ref("transitions").inc_grad("T", gradient)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def rehearse(self, examples: Iterable[Example], **kwargs: Any) -> None:
        """Refuse to rehearse: the vectors of the old transformer would be needed too.

        RAISES (NotImplementedError): Always.
        """
        raise NotImplementedError(
            f"'{self.name}' can't rehearse: its old self needs the vectors of the old transformer, "
            "which nobody keeps. To learn without forgetting, mix sentences that it was trained "
            f"on into each batch, or leave it out: `nlp.rehearse(…, exclude=['{self.name}'])`."
        )

    def get_loss(self, examples: Iterable[Example], scores: TagScores) -> tuple[float, TagScores]:
        """Compute the mean loss of the gold tags, and its gradient.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d] | List[Ragged]): Tag scores. Shapes: (n_tokens, n_tags),
            or (n_pieces, n_tags) from a model that learns from each piece.
        RETURNS (Tuple[float, List[Floats2d] | List[Ragged]]): The loss for each tagged
            word or piece, in nats, and d_scores in the form of the scores.
        RAISES (ValueError): If the loss is not a finite number.
        """
        loss, d_scores, _ = self._compute_loss(examples, scores)
        return loss, d_scores

    def _compute_loss(
        self, examples: Iterable[Example], scores: TagScores
    ) -> tuple[float, TagScores, np.ndarray | None]:
        examples = list(examples)
        docs = [eg.predicted for eg in examples]
        doc_words = [find_words(doc) for doc in docs]
        words = join_words(docs, doc_words)
        gold = [
            read_gold_tags(eg, w, self._tag_set, spans_key=self.spans_key)
            for eg, w in zip(examples, doc_words, strict=True)
        ]
        rows = join_scores(scores, self.model.ops)
        known = merge_neighbours(np.concatenate(gold), words.is_start, self._tag_set)
        at, tags = rows.place(words.tokens, known, self._tag_set)
        loss, dX, d_steps = self._compare(rows.X[at], tags, words.is_start)
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss of '{self.name}' is {loss}, expected a finite number. Lower the "
                "learning rate, or train without mixed precision."
            )
        d_scores = np.zeros_like(rows.X)
        d_scores[at] = dX
        return loss, rows.split(self.model.ops.xp.asarray(d_scores)), d_steps

    def _compare(
        self, scores: np.ndarray, gold: np.ndarray, is_start: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        if self.has_transitions:
            return compute_path_loss(scores, gold, is_start, self.tag_model.steps)
        weights = self.cfg["tag_weights"]
        weights = np.ones(len(self.tags)) if weights is None else np.asarray(weights)
        return *compute_tag_loss(scores, gold, weights, self.loss), None

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score examples with the component's scorer; see `TrainablePipe.score`."""
        return super().score(examples, spans_key=self.spans_key, **kwargs)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Set the labels and the sizes of the model, from examples or as given.

        Labels added before stay; the weights of the head are made anew.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Language | None): The pipeline.
        labels (Sequence[str] | None): Labels as `label_data` gives them; `None` to
            collect them from all examples.
        RAISES (ValueError): If there are no labels, or a setting names one that is
            not among them, or the model listens to a transformer that is not there.
        """
        validate_get_examples(get_examples, "BertNer.initialize")
        if nlp is not None:
            require_transformer(nlp, self.name, self.model)
        util.check_lexeme_norms(self.vocab, "bert_ner")
        if labels is None:
            labels = collect_labels(get_examples(), self.name, spans_key=self.spans_key)
        labels = list(dict.fromkeys([*self.cfg["labels"], *labels]))
        if not labels:
            raise ValueError(
                f"Found no entity in the training examples of '{self.name}', expected at least "
                "one. Check that the corpus was converted with its tags (`spacy debug data`), "
                "or give the labels."
            )
        self._set_labels(labels)
        self._check_threshold()
        self.cfg.update(temperature=1.0, label_temperatures={})
        self.cfg["tag_weights"] = self._weigh_tags(get_examples)
        # The layers learn their sizes from docs with tokens.
        docs = (eg.predicted for eg in get_examples())
        sample = list(islice((doc for doc in docs if len(doc)), 10))
        sample = sample or [Doc(self.vocab, words=["word"])]
        no_scores = self.model.ops.alloc2f(1, len(self.tags))
        set_size(self.model, None)
        self.model.initialize(X=sample, Y=[no_scores] * len(sample))

    def _weigh_tags(self, get_examples: Callable[[], Iterable[Example]]) -> list[float] | None:
        given = self.loss.class_weights
        if given is None:
            return None
        if isinstance(given, str):
            return balance_tags(count_tags(get_examples(), self._tag_set, self.spans_key))
        return weigh_tags(given, self._tag_set, name=self.name).tolist()
