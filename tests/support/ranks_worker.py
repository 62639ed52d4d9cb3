"""Runs by `torchrun`: trains the config at a path, as one of several processes."""

import io
import os
import sys
from pathlib import Path

from spacy.util import load_config

from spacy_bert_ner.train import loop
from spacy_bert_ner.train.train import train

if __name__ == "__main__":
    config, output, stop, resume = sys.argv[1:]
    update = loop.Training._update

    def stop_there(self, *args):
        if self.progress.step == int(stop) and os.environ["RANK"] == "1":
            os.kill(os.getpid(), 9)
        update(self, *args)

    if int(stop) >= 0:
        loop.Training._update = stop_there
    first = os.environ["RANK"] == "0"
    train(
        load_config(config, interpolate=False),
        Path(output),
        resume=resume == "resume",
        stdout=sys.stdout if first else io.StringIO(),
        stderr=io.StringIO(),
    )
