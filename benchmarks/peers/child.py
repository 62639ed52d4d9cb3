"""What a peer does in its own environment: train on JSON, then read texts when told to.

Each peer's script has two functions and calls `run(train, load)`:

    train(sentences, encoder, epochs, seed, folder)     sentences: [words, [[start, end, label]]]
    load(folder) → (read, find)                         read(texts); find([words]) → [spans]

    python PEER.py train DATA.json ENCODER EPOCHS SEED FOLDER
        trains on DATA["train"], and writes FOLDER/spans.json for the words of DATA["dev"]
    python PEER.py read FOLDER TEXTS.json
        prints a line of JSON when it is ready (seconds to load), and for each line of its
        input one with the seconds that reading all texts took: [wall, processor]
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run(train: Callable[..., None], load: Callable[[Path], Any]) -> None:
    """Do what the command line says."""
    # Libraries print and log to the standard output too: theirs goes to the standard error.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.argv[1] == "train":
        data, encoder, epochs, seed, folder = sys.argv[2:]
        sentences = json.loads(Path(data).read_text("utf8"))
        start = time.perf_counter()
        train(sentences["train"], encoder, int(epochs), int(seed), Path(folder))
        seconds = time.perf_counter() - start
        _, find = load(Path(folder))
        spans = find([words for words, _ in sentences["dev"]])
        Path(folder, "spans.json").write_text(json.dumps(spans), "utf8")
        print(json.dumps(seconds), file=out, flush=True)
        return
    start = time.perf_counter()
    read, _ = load(Path(sys.argv[2]))
    print(json.dumps(time.perf_counter() - start), file=out, flush=True)
    texts = json.loads(Path(sys.argv[3]).read_text("utf8"))
    for _line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        read(texts)
        spent = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([*spent, peak]), file=out, flush=True)
