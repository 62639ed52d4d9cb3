"""Corpora with labels that are wrong on purpose, and models that know better."""

import spacy
from spacy.tokens import Doc, DocBin

from support.pipelines import make_nlp
from support.pipelines import train as train_steps


def write_docs(path, rows, **options):
    """Write docs of (words, IOB2 tags), each one sentence."""
    vocab = spacy.blank("en").vocab
    docs = [
        Doc(vocab, words=words, ents=tags, sent_starts=[i == 0 for i in range(len(words))])
        for words, tags in rows
    ]
    DocBin(docs=docs, **options).to_disk(path)
    return path


def read_rows(path):
    """Read (words, entities) of each doc."""
    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return [
        ([token.text for token in doc], [(e.start, e.end, e.label_) for e in doc.ents])
        for doc in docs
    ]


def save_model(path):
    """Save a pipeline that knows Alex Smith, New York and London."""
    nlp = make_nlp()
    train_steps(nlp)
    nlp.to_disk(path)
    return path


RIGHT = (
    ["Alex", "Smith", "lives", "in", "New", "York", "now", "."],
    ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O", "O"],
)
WRONG = {
    "label": ["B-PER", "I-PER", "O", "O", "B-PER", "I-PER", "O", "O"],
    "border": ["B-PER", "I-PER", "O", "O", "B-LOC", "O", "O", "O"],
    "label and border": ["B-PER", "I-PER", "O", "O", "B-PER", "O", "O", "O"],
    "missed": ["B-PER", "I-PER", "O", "O", "O", "O", "O", "O"],
    "invented": ["B-PER", "I-PER", "B-LOC", "O", "B-LOC", "I-LOC", "O", "O"],
}
