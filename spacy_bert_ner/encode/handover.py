"""The gradients of all listeners → the encoder, before its weights are updated."""

from thinc.api import Optimizer

from .vectors import DocVectors


class Handover:
    """The batch whose gradient is missing, and the optimizer that waits for it.

    The transformer component collects the gradients of its listeners, and the last
    listener passes the sum to the encoder. But `nlp.update` updates the encoder's weights
    before the listening components have learned from the batch.
    """

    def __init__(self) -> None:
        """Start without a batch."""
        self._vectors: DocVectors | None = None
        self._optimizer: Optimizer | None = None

    def begin(self, vectors: DocVectors) -> None:
        """Expect the gradient of a batch.

        vectors (DocVectors): What the listeners of the batch received.
        """
        self._vectors, self._optimizer = vectors, None

    def wait(self, optimizer: Optimizer) -> None:
        """Make an optimizer wait if the gradient of the batch is missing.

        optimizer (Optimizer): Updates the encoder's weights.
        RAISES (ValueError): As `settle` does.
        """
        self.settle()
        self._optimizer = None if self._vectors is None else optimizer

    def end(self) -> Optimizer | None:
        """RETURNS (Optimizer | None): What waited for the gradient, which has arrived."""
        optimizer, self._vectors, self._optimizer = self._optimizer, None, None
        return optimizer

    def settle(self) -> None:
        """Fetch the gradient of the last batch if its last listener gave none.

        The listener may belong to a frozen component, or have found nothing to learn.

        RAISES (ValueError): If it is one of spaCy's own listeners, which cannot be asked.
        """
        vectors = self._vectors
        if vectors is None or vectors.backprop is None or not vectors.has_gradient:
            return
        vectors.backprop([])
        if self._vectors is not None:
            raise ValueError(
                "The last component that listens to the transformer gave no gradient, because it "
                "is frozen or found nothing to learn, so the gradients of the other components "
                "are lost. Use spacy-bert-ner.TransformerListener.v1 in the model of that "
                "component, or call `nlp.replace_listeners` for it."
            )
