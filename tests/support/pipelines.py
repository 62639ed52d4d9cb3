"""Small pipelines without a transformer, and their data, shared by the tests of the component."""

import numpy as np
import spacy
from spacy.training import Example

CNN = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 32,
    "depth": 2,
    "embed_size": 500,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}
DATA = [
    ("Alex Smith lives in New York now .", [(0, 10, "PER"), (20, 28, "LOC")]),
    ("London is big", [(0, 6, "LOC")]),
]
EXPECTED = [[("Alex Smith", "PER"), ("New York", "LOC")], [("London", "LOC")]]


def make_examples(nlp, data=DATA):
    return [Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data]


def make_nlp(*, model=None, **config):
    """Make a blank pipeline with a bert_ner named "ner" on a small CNN."""
    nlp = spacy.blank("en")
    model = {"tok2vec": CNN, **(model or {})}
    nlp.add_pipe("bert_ner", name="ner", config={"model": model, **config})
    return nlp


def train(nlp, n_steps=60, examples=None):
    """Train on the two sentences and give the last loss of each component."""
    spacy.util.fix_random_seed(0)
    examples = examples or make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(n_steps):
        losses = nlp.update(examples, sgd=optimizer)
    return losses


def read_ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def read_scores(doc):
    return [(ent.text, ent._.score) for ent in doc.ents]


def make_noisy(nlp, n=60):
    """Give examples of which a third has a gold label that nobody could guess."""
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(n):
        for text, ents in DATA:
            label = "PER" if rng.random() < 1 / 3 else None
            gold = [(start, end, label or ent) for start, end, ent in ents]
            examples.append(Example.from_dict(nlp.make_doc(text), {"entities": gold}))
    return examples
