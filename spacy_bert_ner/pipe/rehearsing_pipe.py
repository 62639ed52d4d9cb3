"""Examples → the scores of a component before it was trained further, learned again."""

import copy
from collections.abc import Iterable

from spacy.training import Example, validate_examples
from thinc.api import Model, Optimizer, set_dropout_rate

from ..tag.tag_rows import join_scores
from ..tag.words import join_words
from .learning_pipe import LearningPipe
from .rehearsal import PipelineRef, Tutor, compare_scores, only_listener, send_vectors
from .upstream import find_listeners


class RehearsingPipe(LearningPipe):
    """A learning pipe that can be reminded of what it knew.

    pipeline (PipelineRef): The pipeline that it was made for; the factory sets it.
    """

    pipeline = PipelineRef()
    _tutor: Tutor | None = None

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn to score the tags as when `nlp.resume_training` was called.

        The transformer that the component listens to learns too, unless it is disabled.
        Labels that were added later are left alone.

        examples (Iterable[Example]): The batch; only the predicted docs are used.
        drop (float): The dropout rate.
        sgd (Optimizer | None): The optimizer; without one, gradients accumulate.
            `nlp.rehearse` passes a function that may lose them (it keeps those of one
            component, chosen at random), so the pipeline's optimizer is used then.
        losses (Dict[str, float] | None): Losses by component name; the loss is added to them.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): If there is no earlier state, or the labels have changed since.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BertNer.rehearse")
        docs = [eg.predicted for eg in examples]
        words = join_words(docs)
        if not len(words.tokens):
            return losses
        tutor = self._require_tutor()
        taught = tutor.score(docs)
        nlp = self.pipeline.get()
        if sgd is not None and not isinstance(sgd, Optimizer) and nlp is not None:
            sgd = nlp._optimizer or sgd
        self._send_vectors(examples, drop, sgd)
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        rows = join_scores(scores, self.model.ops)
        loss, dX, d_steps = compare_scores(rows, taught, words, self.tag_model, tutor.tags)
        d_scores = rows.split(self.model.ops.xp.asarray(dX, dtype="float32"))
        self._learn(backprop, d_scores, d_steps, sgd)
        losses[self.name] += float(loss)
        return losses

    def _send_vectors(self, examples: list[Example], drop: float, sgd: Optimizer | None) -> None:
        transformer, nlp = self.pipeline.find_transformer(self.model), self.pipeline.get()
        if transformer is None or nlp is None:
            return
        if any(pipe is transformer for _, pipe in nlp.pipeline):
            with only_listener(transformer, self.model):
                transformer.update(examples, drop=drop, sgd=sgd)
        else:
            send_vectors(transformer.model, self.model, [eg.predicted for eg in examples])

    @property
    def _rehearsal_model(self) -> Tutor | None:
        return self._tutor

    @_rehearsal_model.setter
    def _rehearsal_model(self, head: Model | None) -> None:
        # `nlp.resume_training` sets this to a copy of the model.
        self._tutor = None
        if head is not None and self.is_initialized:
            transformer = self.pipeline.find_transformer(self.model)
            vectors = None if transformer is None else transformer.model.copy()
            self._tutor = Tutor(head, vectors, copy.deepcopy(self.tag_model))

    def _require_tutor(self) -> Tutor:
        tutor = self._tutor
        if tutor is None:
            raise ValueError(
                f"'{self.name}' has no earlier state to rehearse. Call `nlp.resume_training()` "
                "before the first update: it keeps a copy of the model."
            )
        if tutor.transformer is None and find_listeners(tutor.head):
            raise ValueError(
                f"'{self.name}' can't rehearse: it was copied, unpickled or sourced from another "
                "pipeline, so it does not know its transformer. Save the pipeline with "
                "`nlp.to_disk`, and load it with `spacy.load`."
            )
        known = tutor.tags.tag_set.tags
        if self.tags[: len(known)] != known:
            raise ValueError(
                f"The labels of '{self.name}' have changed since `nlp.resume_training` "
                f"({', '.join(self.labels)}), so it can't rehearse. Call `nlp.resume_training()` "
                "again."
            )
        return tutor
