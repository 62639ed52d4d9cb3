"""Examples → the labels and sizes of a component, its loss, and its gradients."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, cast

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from thinc.api import Optimizer, set_dropout_rate

from ..decode.crf import compute_path_loss, compute_taught_loss
from ..decode.marginals import sum_paths
from ..tag.annotated import find_unknown_tags, list_possible_tags
from ..tag.gold import collect_labels, count_tags, read_gold_tags
from ..tag.loss import TagLoss, balance_tags, compute_tag_loss, compute_taught_tag_loss, weigh_tags
from ..tag.sizes import set_size
from ..tag.tag_rows import TagRows, TagScores, join_scores, merge_neighbours
from ..tag.targets import Targets, join_targets, read_targets
from ..tag.words import Words, find_words, join_words
from .labelled_pipe import LabelledPipe, check_label_list
from .upstream import require_transformer


class LearningPipe(LabelledPipe):
    """A labelled pipe that learns tags from examples."""

    # Batches whose gradients have been summed since the last step.
    _n_parts = 0

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Set the labels, and initialize the model.

        Labels that were added before are kept; the head gets new weights.

        get_examples (Callable[[], Iterable[Example]]): Returns the training examples.
        nlp (Language | None): The pipeline.
        labels (Sequence[str] | None): The labels, in the form of `label_data`; `None`
            to collect them from all examples.
        RAISES (TypeError): If the labels are not a list of strings.
        RAISES (ValueError): If there are no labels, a label is empty, a setting names an
            unknown label, or the model can't listen to a transformer.
        """
        validate_get_examples(get_examples, "BertNer.initialize")
        if nlp is not None:
            require_transformer(nlp, self.name, self.model)
        util.check_lexeme_norms(self.vocab, "bert_ner")
        if labels is None:
            labels = collect_labels(get_examples(), self.name, spans_key=self.spans_key)
        check_label_list(labels)
        labels = list(dict.fromkeys([*self.cfg["labels"], *labels]))
        if not labels:
            raise ValueError(
                f"Found no entity in the training examples of '{self.name}', expected at least "
                "one. Check the corpus with `spacy debug data`, or pass `labels`."
            )
        self._set_labels(labels)
        self._check_threshold()
        self.cfg.update(temperature=1.0, label_temperatures={})
        self.cfg["tag_weights"] = self._weigh_tags(get_examples)
        # The layers infer their sizes from docs with tokens.
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
        losses (Dict[str, float] | None): Losses by component name; the loss is added to them.
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
        self._learn(backprop, d_scores, d_steps, sgd)
        losses[self.name] += float(loss)
        return losses

    def _learn(
        self,
        backprop: Callable[..., Any],
        d_scores: TagScores,
        d_steps: np.ndarray | None,
        sgd: Optimizer | None,
    ) -> None:
        backprop(cast(Any, d_scores))
        if d_steps is not None:
            gradient: Any = self.model.ops.xp.asarray(d_steps, dtype="float32")
            self.model.get_ref("transitions").inc_grad("T", gradient)
        self._n_parts += 1
        if sgd is not None:
            self.finish_update(sgd)

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights; our optimizers take the mean of the batches since the last time.

        sgd (Optimizer): The optimizer.
        """
        if hasattr(sgd, "n_parts"):
            sgd.n_parts = max(1, self._n_parts)
        self._n_parts = 0
        super().finish_update(sgd)

    def get_loss(self, examples: Iterable[Example], scores: TagScores) -> tuple[float, TagScores]:
        """Compute the mean loss of the gold tags, and its gradient.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d] | List[Ragged]): Tag scores. Shapes: (n_tokens, n_tags),
            or (n_pieces, n_tags) from a model that learns from each piece.
        RETURNS (Tuple[float, List[Floats2d] | List[Ragged]]): The mean loss per tagged
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
        words = join_words(docs)
        gold = [
            read_gold_tags(eg, w, self._tag_set, spans_key=self.spans_key)
            for eg, w in zip(examples, doc_words, strict=True)
        ]
        rows = join_scores(scores, self.model.ops)
        known = merge_neighbours(np.concatenate(gold), words.is_start, self._tag_set)
        unknown = [
            find_unknown_tags(eg, w, self._tag_set)
            for eg, w in zip(examples, doc_words, strict=True)
        ]
        possible = list_possible_tags(known, np.concatenate(unknown))
        targets = [
            read_targets(eg, w, self._tag_set) for eg, w in zip(examples, doc_words, strict=True)
        ]
        if any(target is not None for target in targets):
            at = words.tokens
            loss, dX, d_steps = self._compare_taught(rows, words, possible, targets, doc_words)
        else:
            at, row_possible = rows.place(words.tokens, possible, self._tag_set)
            loss, dX, d_steps = self._compare(rows.X[at], row_possible, words.is_start)
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss of '{self.name}' is {loss}, expected a finite number. Lower the "
                "learning rate, or train without mixed precision."
            )
        d_scores = np.zeros_like(rows.X)
        d_scores[at] = dX
        return loss, rows.split(self.model.ops.xp.asarray(d_scores)), d_steps

    def _compare(
        self, scores: np.ndarray, possible: np.ndarray, is_start: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        if self.has_transitions:
            return compute_path_loss(scores, possible, is_start, self.tag_model.steps)
        weights = self.cfg["tag_weights"]
        weights = np.ones(len(self.tags)) if weights is None else np.asarray(weights)
        return *compute_tag_loss(scores, possible, weights, self.loss), None

    def _compare_taught(
        self,
        rows: TagRows,
        words: Words,
        possible: np.ndarray,
        targets: Sequence[Targets | None],
        doc_words: Sequence[Words],
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        if rows.lengths is not None or self.loss != TagLoss():
            raise ValueError(
                f"'{self.name}' scores pieces, or its loss has settings of single tags, but "
                "teachers only know the tags of words. Learn from them with "
                "spacy-bert-ner.TokenClassifier.v1, and without settings of the loss."
            )
        scores, steps = rows.X[words.tokens], self.tag_model.steps
        ends = np.cumsum([len(w.tokens) for w in doc_words]).tolist()
        views = []
        for target, w, end in zip(targets, doc_words, ends, strict=True):
            within = slice(end - len(w.tokens), end)
            if target is None and len(w.tokens):
                # Its gold paths, in the proportions that the component gives them.
                X = np.where(possible[within], scores[within], -np.inf)
                fitting = sum_paths(X, w.is_start, steps)
                target = Targets(fitting.tags, fitting.steps)
            if target is not None:
                views.append(target)
        joined = join_targets(views)
        if self.has_transitions:
            return compute_taught_loss(scores, joined, words.is_start, steps)
        return *compute_taught_tag_loss(scores, joined.tags), None
