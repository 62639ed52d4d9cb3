"""A batch's gradients, from each of its listeners → the encoder, before its weights step."""

from thinc.api import Optimizer

from .vectors import DocVectors


class Handover:
    """The batch whose gradient is still to come, and the optimizer that waits for it.

    The transformer component collects the gradients of all listeners but the last, who
    brings them to the encoder with its own. And `nlp.update` has the encoder's weights
    stepped before the components that listen have learned from the batch.
    """

    def __init__(self) -> None:
        """Expect nothing."""
        self._vectors: DocVectors | None = None
        self._optimizer: Optimizer | None = None

    def begin(self, vectors: DocVectors) -> None:
        """Expect the gradient of a batch.

        vectors (DocVectors): What its listeners received.
        """
        self._vectors, self._optimizer = vectors, None

    def wait(self, optimizer: Optimizer) -> None:
        """Have an optimizer wait, if a gradient is still to come.

        optimizer (Optimizer): Who steps the weights.
        RAISES (ValueError): As `settle` does.
        """
        self.settle()
        self._optimizer = None if self._vectors is None else optimizer

    def end(self) -> Optimizer | None:
        """RETURNS (Optimizer | None): Who waited for the gradient, which is here now."""
        optimizer, self._vectors, self._optimizer = self._optimizer, None, None
        return optimizer

    def settle(self) -> None:
        """Have the gradient of the last batch brought, if the last listener gave none.

        It may belong to a frozen component, or have found nothing to learn.

        RAISES (ValueError): If it is a stock listener, which cannot be asked.
        """
        vectors = self._vectors
        if vectors is None or vectors.backprop is None or not vectors.has_gradient:
            return
        vectors.backprop([])
        if self._vectors is not None:
            raise ValueError(
                "The last component that listens to the transformer gave no gradient, so those of "
                "the others are lost: it is frozen, or found nothing to learn. Use "
                "spacy-bert-ner.TransformerListener.v1 in its model, or call "
                "`nlp.replace_listeners` for it."
            )
