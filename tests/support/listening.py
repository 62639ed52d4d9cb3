"""Small pipelines of an encoder and the components that listen to it."""

import spacy
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from support.encoders import LONG

TRAIN = [
    ("Alex lives in London", {"entities": [(0, 4, "PER"), (14, 20, "LOC")], "tags": list("NVPN")}),
    ("no one is in Paris .", {"entities": [(13, 18, "LOC")], "tags": list("DNVPNO")}),
    ("", {"entities": [], "tags": []}),
    ("the network", {"entities": [], "tags": list("DN")}),
]
TEXTS = [text for text, _ in TRAIN] * 4 + [LONG, "", "  \n", "Iraq's \u200b tweets\n\n began"]
OURS = {"@architectures": "spacy-bert-ner.TransformerListener.v1"}
STOCK = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
NER = {"@architectures": "spacy.TransitionBasedParser.v2", "hidden_width": 16}
HEADS = {
    "ner": {"model": {**NER, "state_type": "ner", "extra_state_tokens": False, "maxout_pieces": 2}},
    "tagger": {"model": {"@architectures": "spacy.Tagger.v2"}},
    "bert_ner": {"model": {"@architectures": "spacy-bert-ner.TokenClassifier.v1"}},
}


def make_transformer(folder, **options):
    return {
        "@architectures": "spacy-bert-ner.TransformerModel.v1",
        "name": str(folder),
        "compute_dtype": "float32",
        **options,
    }


def make_examples(nlp):
    return [Example.from_dict(nlp.make_doc(text), gold) for text, gold in TRAIN]


def make_nlp(folder, heads=("bert_ner",), listener=OURS, n_steps=2, **options):
    """A pipeline for four sentences."""
    nlp = spacy.blank("en")
    config = {"model": make_transformer(folder, **options), "max_batch_items": 10**6}
    nlp.add_pipe("transformer", config=config)
    for head in heads:
        model = {**HEADS[head]["model"], "tok2vec": listener}
        nlp.add_pipe(head, config={"model": model})
    nlp.add_pipe("doc_cleaner")
    train(nlp, n_steps)
    return nlp


def train(nlp, n_steps):
    fix_random_seed(0)
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = Adam(0.01)
    return [nlp.update(make_examples(nlp), sgd=optimizer) for _ in range(n_steps)]


def get_annotations(doc):
    return [(token.text, token.ent_iob_, token.ent_type_, token.tag_) for token in doc]


def annotate(nlp, texts=TEXTS, **options):
    return [get_annotations(doc) for doc in nlp.pipe(texts, **options)]
