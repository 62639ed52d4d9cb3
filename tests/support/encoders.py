"""Tiny transformer models, and the token vectors that Hugging Face itself gives."""

import numpy as np
import spacy

from spacy_bert_ner.encode.checkpoint import read_checkpoint
from spacy_bert_ner.encode.transformer import build_transformer_model_v1

NLP = spacy.blank("en")
TEXTS = [
    "Alex lives in London, and no one is in Paris.",
    "",
    "Yes",
    "Iraq's \u200b tweets\n\n began",
    "  \n",
]
LONG = "the network, about protests. Alex lives in London. " * 8
WIDTH = 24


def build(folder, **options):
    options.setdefault("compute_dtype", "float32")
    return build_transformer_model_v1(name=str(folder), **options).initialize()


def predict(model, docs):
    """The vectors of each doc; none for an empty one."""
    empty = np.zeros((0, WIDTH), dtype="f")
    return [data.tensors[0][0] if data.tensors else empty for data in model.predict(docs).doc_data]


def make_docs(*texts):
    return [NLP.make_doc(text) for text in texts or TEXTS]


def cut_alone(checkpoint, doc):
    """The pieces of each token, token by token."""
    pieces, cutter = [], checkpoint.cutter
    for token in doc:
        has_blank = bool(doc[token.i - 1].whitespace_) if token.i else cutter.first_has_blank
        ids = cutter([token.text], has_blank)[0] or [cutter.unknown]
        pieces.append([] if token.is_space else ids)
    return pieces


def read(folder):
    return read_checkpoint(folder, attention="eager", dropout=None)
