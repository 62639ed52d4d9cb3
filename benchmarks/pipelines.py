"""The pipelines that are compared: ours, spaCy's stock one, and the bare encoder."""

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_bert_ner.encode import shim
from spacy_bert_ner.encode.transformer import docs_to_buckets, get_shim

STOCK_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
STOCK_NER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "tok2vec": STOCK_LISTENER,
}


def build_ours(encoder: str, **settings: Any) -> Language:
    """Build our pipeline, as in configs/config.cfg.

    encoder (str): Folder of the encoder.
    settings (Any): Settings of the transformer model; `listener` for another listener.
    RETURNS (Language): The pipeline, not initialised.
    """
    listener = settings.pop("listener", {"@architectures": "spacy-bert-ner.TransformerListener.v1"})
    model = {"@architectures": "spacy-bert-ner.TransformerModel.v1", "name": encoder, **settings}
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": model, "max_batch_items": 10_000_000})
    head = {"@architectures": "spacy-bert-ner.TokenClassifier.v1", "hidden": 128}
    nlp.add_pipe("bert_ner", name="ner", config={"model": {**head, "tok2vec": listener}})
    nlp.add_pipe("doc_cleaner")
    return nlp


def build_stock(encoder: str, *, head: str = "ner") -> Language:
    """Build spacy-transformers' pipeline: windows of 128 tokens every 96, its defaults.

    encoder (str): Folder of the encoder.
    head (str): "ner" for spaCy's own, "bert_ner" for ours on the same transformer.
    RETURNS (Language): The pipeline, not initialised.
    """
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": {"name": encoder}})
    ours = {"@architectures": "spacy-bert-ner.TokenClassifier.v1", "hidden": 128}
    model = STOCK_NER if head == "ner" else {**ours, "tok2vec": STOCK_LISTENER}
    nlp.add_pipe(head, name="ner", config={"model": model})
    nlp.add_pipe("doc_cleaner")
    return nlp


def read_docs(path: Path, limit: int | None = None) -> list[Doc]:
    """RETURNS (List[Doc]): The gold docs of a DocBin file."""
    docs = list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))
    return [doc for doc in docs if len(doc)][:limit]


def copy_words(nlp: Language, docs: Iterable[Doc]) -> list[Doc]:
    """RETURNS (List[Doc]): The same words without annotations."""
    return [
        Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
        for doc in docs
    ]


def fit(nlp: Language, docs: list[Doc], *, steps: int) -> Language:
    """Train for some steps of 16 sentences, so that the pipeline really predicts.

    nlp (Language): The pipeline.
    docs (List[Doc]): Gold docs.
    steps (int): How many.
    RETURNS (Language): The pipeline.
    """
    for label in {ent.label_ for doc in docs for ent in doc.ents}:
        nlp.vocab.strings.add(label)
    examples = [Example(x, y) for x, y in zip(copy_words(nlp, docs), docs, strict=True)]
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    optimizer = Adam(2e-4, L2=0.01, L2_is_weight_decay=True)
    draw = random.Random(0)
    for _ in range(steps):
        nlp.update(draw.sample(examples, 16), sgd=optimizer)
    return nlp


def make_bare(nlp: Language, docs: list[Doc]) -> Callable[[], Callable[[], None]]:
    """Make a run of the encoder alone, on batches of sentences of exactly one length.

    nlp (Language): Our pipeline: its encoder and pieces are used.
    docs (List[Doc]): The sentences; each within one window.
    RETURNS (Callable): Prepares a run of the encoder on all of them.
    """
    encoder = get_shim(nlp.get_pipe("transformer").model)
    checkpoint, table = encoder.require()
    cutter = checkpoint.cutter
    by_length: dict[int, list[list[int]]] = {}
    for doc in copy_words(nlp, docs):
        pieces = [*cutter.prefix, *table.lookup([doc]).ids.tolist(), *cutter.suffix]
        by_length.setdefault(len(pieces), []).append(pieces)
    batches = []
    for length, rows in by_length.items():
        n_rows = max(1, encoder.settings.find_batch_pieces(encoder.device.type) // length)
        batches += [torch.tensor(rows[i : i + n_rows]) for i in range(0, len(rows), n_rows)]
    model = encoder._get_model_to_predict()

    def run() -> None:
        with torch.no_grad():
            for ids in batches:
                model(input_ids=ids)

    def prepare() -> Callable[[], None]:
        return run

    return prepare


@contextlib.contextmanager
def stubbed_encoder() -> Iterator[None]:
    """Let the encoder of ours give zeros at once: what is left is the host's work."""
    compute = shim.compute_vectors

    def give_zeros(model: Any, buckets: Any, *, n_tokens: int, width: int, **rest: Any) -> Any:
        return torch.zeros((n_tokens, width), device=rest["device"])

    shim.compute_vectors = give_zeros
    try:
        yield
    finally:
        shim.compute_vectors = compute


def run_bare(nlp: Language, texts: list[str]) -> Callable[[], None]:
    """RETURNS (Callable): Runs the encoder alone, on the buckets that our pipeline makes."""
    encoder = get_shim(nlp.get_pipe("transformer").model)
    docs = [nlp.make_doc(text) for text in texts]
    buckets, _ = docs_to_buckets(docs, encoder)
    batches = [torch.from_numpy(bucket.ids).to(encoder.device) for bucket in buckets]
    model = encoder._get_model_to_predict()

    def run() -> None:
        with torch.no_grad():
            for ids in batches:
                model(input_ids=ids)

    return run
