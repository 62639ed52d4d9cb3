"""A pipeline's predictions on gold docs → a linear head that predicts nearly the same."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch

from ..decode.entities import find_tag_probs
from ..encode.shim import EncoderShim
from ..encode.transformer import build_transformer_model_v1, get_shim
from ..pipe.bert_ner import BertNer
from ..pipe.factory import require_doc_ents
from ..pipe.upstream import pipe_before
from ..schemes import tags_to_spans
from ..tag.words import Words, find_words
from .head import Head
from .tag_columns import name_columns

MAX_DOCS = 6_000
"""The most gold docs that are read: a linear layer gains nothing from more."""
HELD_OUT = 5
"""Every fifth doc is held out, to measure the fit."""
N_STEPS = 100


class Distilled(NamedTuple):
    """A fitted head, and what the fit costs.

    head (Head): Tags and weights.
    f_before (float): F1 of the pipeline on the held-out docs.
    f_after (float): F1 of the head on them, with the best tag of each word.
    n_docs (int): How many docs were held out.
    """

    head: Head
    f_before: float
    f_after: float
    n_docs: int


class TaughtDoc(NamedTuple):
    """The words of one gold doc, with the pipeline's view of them.

    eg (Example): The doc, annotated by the pipeline, and its gold doc.
    words (Words): Its words.
    X (ndarray): Vectors of their first pieces. Shape: (n_words, width).
    probs (ndarray): The pipeline's probabilities of their tags. Shape: (n_words, n_names).
    """

    eg: Example
    words: Words
    X: np.ndarray
    probs: np.ndarray


def distill_head(
    nlp: Language, pipe: BertNer, encoder: EncoderShim, examples: Iterable[Example]
) -> Distilled:
    """Fit a linear layer on first pieces to a pipeline's probabilities.

    nlp (Language): The pipeline.
    pipe (BertNer): Its `bert_ner`.
    encoder (EncoderShim): Its encoder, which is not changed.
    examples (Iterable[Example]): Gold docs; every fifth is held out to measure the fit.
    RETURNS (Distilled): The head, and F1 before and after.
    RAISES (ValueError): If there are fewer than ten docs, or entities are in a span group.
    """
    require_doc_ents(nlp, "the fit is measured on", name=pipe.name)
    tags = name_columns(pipe.tag_model.tag_set, "BILOU")
    names = list(dict.fromkeys(tags))
    samples = list(
        draw_taught_docs(nlp, pipe, encoder, examples, [names.index(tag) for tag in tags])
    )
    if len(samples) < 2 * HELD_OUT:
        raise ValueError(
            f"Found {len(samples)} gold docs with words to fit a linear head to, expected at least "
            f"{2 * HELD_OUT}, because some are held out to measure the fit. Add gold docs."
        )
    held_out = samples[::HELD_OUT]
    fitted = [sample for i, sample in enumerate(samples) if i % HELD_OUT]
    head = fit_head(
        np.concatenate([sample.X for sample in fitted]),
        np.concatenate([sample.probs for sample in fitted]),
        names,
    )
    f_before = get_ner_prf([sample.eg for sample in held_out])["ents_f"] or 0.0
    guessed = [Example(tag_doc(sample, head), sample.eg.reference) for sample in held_out]
    f_after = get_ner_prf(guessed)["ents_f"] or 0.0
    return Distilled(head, f_before, f_after, len(held_out))


def draw_taught_docs(
    nlp: Language,
    pipe: BertNer,
    encoder: EncoderShim,
    examples: Iterable[Example],
    columns: Sequence[int],
) -> Iterator[TaughtDoc]:
    """Run a pipeline on gold docs, and record its probabilities for each word.

    nlp (Language): The pipeline.
    pipe (BertNer): Its `bert_ner`.
    encoder (EncoderShim): Its encoder.
    examples (Iterable[Example]): Gold docs.
    columns (Sequence[int]): For each tag of the pipe, the index of its name in the new head.
    YIELDS (TaughtDoc): One for each doc with words.
    """
    first_pieces = build_transformer_model_v1(
        name="",
        compute_dtype=encoder.settings.compute_dtype,
        window=encoder.settings.window,
        freeze=encoder.settings.freeze,
        gradient_checkpointing=encoder.settings.gradient_checkpointing,
    )
    get_shim(first_pieces).load(encoder.require()[0])
    # shape: (n_tags, n_names)
    shares = np.eye(max(columns) + 1)[list(columns)]
    for batch in minibatch(islice(examples, MAX_DOCS), nlp.batch_size):
        docs = pipe_before(nlp, pipe.name, [eg.predicted.copy() for eg in batch])
        scored = [pipe.score_tags([doc]) for doc in docs]
        datas: list[Any] = first_pieces.predict(docs).doc_data
        for eg, doc, data, (words, scores) in zip(batch, docs, datas, scored, strict=True):
            if not len(words.tokens):
                continue
            probs = find_tag_probs(scores, words, pipe.tag_model, 1.0) @ shares
            X = pipe.model.ops.to_numpy(data.X)[words.tokens]
            pipe.set_annotations([doc], pipe.predict([doc]))
            doc._.trf_data = None
            yield TaughtDoc(Example(doc, eg.reference), find_words(doc), X, probs)


def fit_head(X: np.ndarray, probs: np.ndarray, names: list[str]) -> Head:
    """Fit a linear layer by cross-entropy with given probabilities (L-BFGS).

    X (ndarray): Vectors. Shape: (n_words, width).
    probs (ndarray): Rows sum to 1. Shape: (n_words, n_names).
    names (List[str]): The tags.
    RETURNS (Head): Tags and weights.
    """
    inputs, targets = torch.from_numpy(X), torch.from_numpy(probs.astype("float32"))
    layer = torch.nn.Linear(X.shape[1], len(names))
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=N_STEPS, line_search_fn="strong_wolfe"
    )

    def compute_loss() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(inputs), targets)
        loss.backward()
        return loss

    optimizer.step(compute_loss)
    return Head(names, layer.weight.detach(), layer.bias.detach())


def tag_doc(sample: TaughtDoc, head: Head) -> Doc:
    """Annotate a doc with the best tag of each word, grouped as in `transformers`.

    sample (TaughtDoc): The doc and its vectors.
    head (Head): Tags and weights.
    RETURNS (Doc): A copy with these entities.
    """
    best = (sample.X @ head.weight.numpy().T + head.bias.numpy()).argmax(axis=1)
    spans = tags_to_spans([head.names[i] for i in best.tolist()])
    doc, tokens = sample.eg.predicted.copy(), sample.words.tokens.tolist()
    ents = [Span(doc, tokens[a], tokens[b - 1] + 1, label=label) for a, b, label in spans]
    doc.set_ents(ents, default="outside")
    return doc
