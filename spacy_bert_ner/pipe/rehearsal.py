"""A component before it is trained further → a copy that keeps teaching what it knew."""

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, set_dropout_rate

from ..decode.crf import compute_taught_loss
from ..decode.entities import TagModel
from ..decode.marginals import sum_paths
from ..tag.loss import compute_taught_tag_loss, find_log_probs
from ..tag.tag_rows import TagRows, join_scores
from ..tag.targets import Targets
from ..tag.words import Words
from .upstream import find_listeners


class PipelineRef:
    """The pipeline that a component was made for, as long as it exists.

    Pickles and copies of the component forget it: they would take the pipeline with them.

    nlp (Language | None): The pipeline.
    """

    def __init__(self, nlp: Language | None = None) -> None:
        """Hold the pipeline weakly."""
        self.get = (lambda: None) if nlp is None else weakref.ref(nlp)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """RETURNS (Tuple): How to make a reference to no pipeline."""
        return PipelineRef, ()

    def find_transformer(self, model: Model) -> Any:
        """Find the transformer component that a model listens to: the last one before it.

        RETURNS (Any): The component; `None` if the model does not listen to one.
        """
        nlp, wanted = self.get(), {id(node) for node in find_listeners(model)}
        for _, pipe in reversed(nlp.components) if nlp is not None else []:
            if wanted & {id(node) for node in getattr(pipe, "listeners", [])}:
                return pipe
        return None


class Tutor(NamedTuple):
    """A head with the transformer that it listens to, as they were.

    head (Model): A copy of the component's model.
    transformer (Model | None): A copy of the transformer's model, if it was found.
    tags (TagModel): A copy of the tags, and of the steps between them.
    """

    head: Model
    transformer: Model | None
    tags: TagModel

    def score(self, docs: Sequence[Doc]) -> TagRows:
        """Score the tags of some docs.

        docs (Sequence[Doc]): The docs, not all of them empty.
        RETURNS (TagRows): The scores.
        """
        if self.transformer is not None:
            send_vectors(self.transformer, self.head, docs)
        set_dropout_rate(self.head, 0.0)
        # As in training: a model that learns from each piece does not join their scores.
        scores, _ = self.head.begin_update(list(docs))
        return join_scores(scores, self.head.ops)


def send_vectors(transformer: Model, model: Model, docs: Sequence[Doc]) -> None:
    """Let the listeners of a model receive vectors that don't learn.

    transformer (Model): The model of a transformer component.
    model (Model): The model of a component that listens.
    docs (Sequence[Doc]): The docs, not all of them empty.
    """
    vectors = transformer.predict(list(docs)).doc_data
    for node in find_listeners(model):
        node.receive(node.get_batch_id(docs), vectors, lambda gradients: None)


@contextlib.contextmanager
def only_listener(transformer: Any, model: Model) -> Iterator[None]:
    """Inside the context, a transformer component sends its vectors to one component.

    transformer (Any): The transformer component.
    model (Model): The model of the component that listens.
    """
    every = transformer.listener_map
    transformer.listener_map = {"": find_listeners(model)}
    try:
        yield
    finally:
        transformer.listener_map = every


def compare_scores(
    learned: TagRows, taught: TagRows, words: Words, model: TagModel, tutor: TagModel
) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Compute how far a model is from its tutor, and the gradients.

    Only the tutor's tags are compared: it says nothing about labels that were added later,
    and the model may find them anywhere.

    learned (TagRows): Scores of the model that learns.
    taught (TagRows): Scores of its tutor.
    words (Words): The words of the joined docs, at least one.
    model (TagModel): The tags and steps of the model that learns.
    tutor (TagModel): Those of its tutor: the first tags of the model.
    RETURNS (Tuple[float, ndarray, ndarray | None]): The Kullback-Leibler divergence per word,
        of whole paths if there are learned steps, otherwise of tags; d_scores in the shape
        of the scores; d_steps in the shape of the steps.
    """
    n_tags, n_taught = len(model.tag_set.tags), len(tutor.tag_set.tags)
    any_tag = np.ones((len(words.tokens), n_tags), dtype=bool)
    at, _ = learned.place(words.tokens, any_tag, model.tag_set)
    X, wanted = learned.X[at, :n_taught], taught.X[at]
    d_scores = np.zeros(learned.X.shape)
    if model.transitions is None:
        probs = np.exp(find_log_probs(wanted))
        loss, d_scores[at, :n_taught] = compute_taught_tag_loss(X, probs)
        return loss - compute_taught_tag_loss(wanted, probs)[0], d_scores, None
    # The last row and column are for sentence borders.
    known = np.ix_([*range(n_taught), n_tags], [*range(n_taught), n_tags])
    d_steps = np.zeros(model.steps.shape)
    paths = sum_paths(wanted, words.is_start, tutor.steps)
    targets = Targets(paths.tags, paths.steps)
    loss, d_scores[at, :n_taught], d_steps[known] = compute_taught_loss(
        X, targets, words.is_start, model.steps[known]
    )
    entropy, _, _ = compute_taught_loss(wanted, targets, words.is_start, tutor.steps)
    return loss - entropy, d_scores, d_steps
