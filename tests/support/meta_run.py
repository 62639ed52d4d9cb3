"""Encoders on torch's device "meta", in a process of their own: prints what waits as JSON.

    python -m support.meta_run FOLDER

The device knows the shape and type of each tensor, but no values: tensors of a processor cannot
meet its own, and whatever asks for a value would wait for a GPU.
"""

import collections
import contextlib
import copy
import json
import sys
import traceback
from pathlib import Path

import numpy as np
import torch

from spacy_bert_ner.encode import forward
from spacy_bert_ner.encode.checkpoint import read_checkpoint
from spacy_bert_ner.encode.forward import compute_vectors
from spacy_bert_ner.encode.learning import LearningPass
from spacy_bert_ner.pieces.windows import Bucket
from support.checkpoints import BUILDERS, build_checkpoint

WAITS = collections.Counter()


def note_waits(ask):
    def note(self, *args):
        if self.device.type != "meta":
            return ask(self, *args)
        frames = [f for f in traceback.extract_stack() if "/torch/" not in f.filename]
        WAITS["/".join(frames[-2].filename.split("/")[-2:])] += 1
        return False

    return note


def no_grad(device):
    return torch.no_grad()


def no_autocast(*args, **options):
    return contextlib.nullcontext()


def count_waits():
    forward.predicting = no_grad  # "meta" has no precision to switch off
    torch.autocast = no_autocast
    for name in ("__bool__", "__float__", "__int__", "item", "tolist"):
        setattr(torch.Tensor, name, note_waits(getattr(torch.Tensor, name)))


def make_bucket(n_rows, n_columns, lengths, first):
    ids = np.random.default_rng(0).integers(5, 30, size=(n_rows, n_columns))
    lengths = np.array(lengths)
    firsts = [row * n_columns + np.arange(1, n - 1) for row, n in enumerate(lengths)]
    firsts = np.concatenate(firsts)
    return Bucket(ids, lengths, np.arange(len(firsts)) + first, firsts, np.ones_like(firsts))


def place(model, device):
    for module in model.modules():
        for name, X in list(module._parameters.items()):
            if X is not None:
                moved = torch.empty(X.shape, dtype=X.dtype, device=device)
                module._parameters[name] = torch.nn.Parameter(moved)
        for name, X in list(module._buffers.items()):
            if X is not None:
                module._buffers[name] = torch.empty(X.shape, dtype=X.dtype, device=device)


def compute(model, *, train, pooling):
    full = make_bucket(2, 6, [6, 6], 0)
    buckets = [full, *(make_bucket(3, n, [n, n - 1, 5], 8 + 40 * i) for i, n in ((0, 8), (1, 9)))]
    device = torch.device("meta")
    place(model, device)
    model.train(train)
    options = {"pooling": pooling, "device": device}
    if train:
        learning = LearningPass(model, buckets, dtype=torch.float32, **options)
        Y = learning.read(99, 24)
    else:
        with torch.no_grad():
            Y = compute_vectors(model, buckets, n_tokens=99, width=24, **options)
    assert Y.device == device
    assert Y.dtype == torch.float32
    if train:
        learning.backprop(torch.empty_like(Y))
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert gradients
        assert all(X.device == device for X in gradients)


def main(folder):
    models = {}
    for kind in BUILDERS.keys() - {"funnel"}:  # Funnel's positions wait for themselves
        build_checkpoint(kind, folder / kind)
        for shapes in {False, kind == "bert"}:
            read = read_checkpoint(folder / kind, attention="sdpa", dropout=None, shapes=shapes)
            models[kind, shapes] = read.model
    count_waits()
    found = []
    for (kind, shapes), model in models.items():
        for pooling in ("first", "mean", "last", "pieces") if kind == "bert" else ("first",):
            for train in (False, True):
                WAITS.clear()
                compute(copy.deepcopy(model), train=train, pooling=pooling)
                found.append([kind, shapes, train, pooling, dict(WAITS)])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
