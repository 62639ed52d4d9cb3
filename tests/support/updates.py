"""One update of a tiny encoder, and its gradients."""

import numpy as np

from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.encode.vectors import TokenBatch
from support.encoders import make_docs

DOCS = make_docs("Alex lives in London, and no one is in Paris.", "", "Yes", "  ", "to Iraq's (x)")


def update(model, docs=DOCS, *, seed=0):
    """One forward and backward pass with random gradients. Gives vectors, gradients."""
    batch, backprop = model.begin_update(docs)
    dX = np.random.default_rng(seed).normal(size=batch.X.shape).astype("f")
    backprop(TokenBatch(dX, batch.doc_lengths))
    return batch.X, dX


def get_gradients(model):
    named = get_shim(model)._model.named_parameters()
    return {name: p.grad.numpy().copy() for name, p in named if p.grad is not None}
