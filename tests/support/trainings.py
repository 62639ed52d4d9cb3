"""A corpus and a config that train in a second: a small CNN instead of an encoder."""

import random

import spacy
from spacy.tokens import Doc, DocBin
from spacy.training.iob_utils import biluo_tags_to_spans
from thinc.api import Config

CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["ner"]

[components]

[components.ner]
factory = "bert_ner"

[components.ner.model]
@architectures = "spacy-bert-ner.TokenClassifier.v1"
hidden = 8

[components.ner.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
width = 16
depth = 1
embed_size = 200
window_size = 1
maxout_pieces = 2
subword_features = false
pretrained_vectors = null

[corpora]

[corpora.train]
@readers = "spacy-bert-ner.KeptCorpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy-bert-ner.KeptCorpus.v1"
path = ${paths.dev}

[training]
seed = 3
gpu_allocator = null
max_epochs = 3
max_steps = 0
eval_frequency = 0
patience = 0

[training.batcher]
@batchers = "spacy-bert-ner.batch_by_pieces.v1"
sentences = 4

[training.optimizer]
@optimizers = "spacy-bert-ner.AdamW.v1"

[training.optimizer.learn_rate]
@schedules = "spacy-bert-ner.linear.v1"
rate = 0.01

[training.logger]
@loggers = "spacy.ConsoleLogger.v1"

[initialize]

[initialize.after_init]
@callbacks = "spacy-bert-ner.plan_training.v1"
"""

NAMES = {"PER": ["Alex", "Ada", "Mary", "Joan"], "LOC": ["London", "Paris", "Rome", "Oslo"]}
VERBS = ["likes", "leaves", "sees", "wants"]


def write_corpus(folder, *, n_train=40, n_dev=12):
    """Write train.spacy and dev.spacy: sentences of a name, a verb and a place."""
    rng = random.Random(0)
    vocab = spacy.blank("en").vocab
    for name, n_docs in (("train", n_train), ("dev", n_dev)):
        docs = DocBin()
        for i in range(n_docs):
            words = [rng.choice(NAMES["PER"]), rng.choice(VERBS), rng.choice(NAMES["LOC"])]
            words += ["today"] * (i % 5)
            doc = Doc(vocab, words=words, sent_starts=[i == 0 for i in range(len(words))])
            tags = ["U-PER", "O", "U-LOC", *["O"] * (i % 5)]
            doc.ents = biluo_tags_to_spans(doc, tags)
            docs.add(doc)
        docs.to_disk(folder / f"{name}.spacy")


def make_config(folder, **overrides):
    """Make the config above for the corpus in a folder, with some settings changed."""
    paths = {f"paths.{name}": str(folder / f"{name}.spacy") for name in ("train", "dev")}
    return Config().from_str(CONFIG, overrides={**paths, **overrides}, interpolate=False)
