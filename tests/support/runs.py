"""Training runs of the small CNN: made, stopped at a step, and compared."""

import io

import numpy as np

from spacy_bert_ner.train import loop
from spacy_bert_ner.train.log import read_log
from spacy_bert_ner.train.train import train
from support.trainings import make_config, write_corpus


def make(folder, **overrides):
    if not (folder / "train.spacy").exists():
        write_corpus(folder)
    optimizer = overrides.pop("training.optimizer", None)
    config = make_config(folder, **overrides)
    config["training"]["logger"]["@loggers"] = "spacy-bert-ner.Logger.v1"
    if optimizer:
        config["training"]["optimizer"] = optimizer
    return config


def run(folder, output="out", *, resume=False, auto_resume=False, **overrides):
    stdout = io.StringIO()
    config = make(folder, **overrides)
    nlp = train(
        config,
        folder / output,
        resume=resume,
        auto_resume=auto_resume,
        stdout=stdout,
        stderr=io.StringIO(),
    )
    return nlp, stdout.getvalue()


def read_weights(nlp):
    ner = nlp.get_pipe("ner")
    weights = []
    for node in ner.model.walk():
        weights += [node.get_param(name) for name in node.param_names if node.has_param(name)]
        for shim in node.shims:
            weights += [p.detach().numpy() for p in shim._model.parameters()]
    return [np.array(array) for array in weights]


def is_equal(nlp, other):
    pairs = zip(read_weights(nlp), read_weights(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


class StopError(Exception):
    """Stands for a fault at a certain step."""


def stop_at(step, monkeypatch):
    update = loop.Training._update

    def stop(self, *args):
        if self.progress.step == step:
            raise StopError
        update(self, *args)

    monkeypatch.setattr(loop.Training, "_update", stop)


def read_rows(log):
    """Give the rows of a log without what depends on the machine."""
    changing = {"seconds", "words_per_second", "memory"}
    return [
        {name: value for name, value in row.items() if name not in changing}
        for row in read_log(log)
    ]
