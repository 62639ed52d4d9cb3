"""Many threads on one pipeline for a long time: the same answers, flat memory?

    python benchmarks/soak.py MODEL dev.spacy --threads 8 --minutes 30

A single thread first reads slices of the docs, each in batches of its own size. Then each
thread reads these slices in random order: entities and scores must be the same to the last
digit. Memory is read every ten seconds; its slope is that of the second half, after all
threads have met all lengths. What was found so far is written down every minute. The exit
code is 1 if an answer differs.
"""

import argparse
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from timing import RESULTS, describe_machine

Answer = list[tuple[int, int, str, float]]
SECONDS = 10


def find(nlp: Language, texts: list[str], batch_size: int) -> list[Answer]:
    """RETURNS (List): The entities of each text with their scores."""
    return [
        [(ent.start_char, ent.end_char, ent.label_, ent._.score) for ent in doc.ents]
        for doc in nlp.pipe(texts, batch_size=batch_size)
    ]


class Soak:
    """What the threads share."""

    def __init__(self, nlp: Language, texts: list[str], n_slices: int, minutes: float) -> None:
        """Find the answers of a single thread; the time begins after that."""
        rng = random.Random(0)
        self.nlp, self.texts = nlp, texts
        self.slices: list[tuple[slice, int, list[Answer]]] = []
        for _ in range(n_slices):
            start = rng.randrange(len(texts))
            rows, size = slice(start, start + rng.randint(1, 64)), rng.choice([1, 4, 16, 64])
            self.slices.append((rows, size, find(nlp, texts[rows], size)))
        self.n_docs = self.n_different = 0
        self.failures: list[str] = []
        self.memory: list[float] = []
        self.loads: list[float] = []
        self.lock = threading.Lock()
        self.end = time.monotonic() + 60 * minutes

    def work(self, seed: int) -> None:
        """Read slices until the time is over."""
        rng = random.Random(seed)
        while time.monotonic() < self.end:
            rows, size, expected = rng.choice(self.slices)
            try:
                found = find(self.nlp, self.texts[rows], size)
            except Exception as error:
                self.failures.append(repr(error))
                return
            n_different = sum(one != other for one, other in zip(found, expected, strict=True))
            with self.lock:
                self.n_docs += len(found)
                self.n_different += n_different

    def describe(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What was found so far."""
        late = self.memory[len(self.memory) // 2 :]
        minutes = np.arange(len(late)) * SECONDS / 60
        slope = np.polyfit(minutes, late, 1)[0] if len(late) > 2 else float("nan")
        return {
            "minutes": round(len(self.memory) * SECONDS / 60, 1),
            "load": round(sum(self.loads) / len(self.loads), 1),
            "slices": len(self.slices),
            "docs_read": self.n_docs,
            "docs_with_other_answers": self.n_different,
            "failures": self.failures,
            "memory_mb": {
                "first": self.memory[0],
                "largest": max(self.memory),
                "last": self.memory[-1],
                "slope_per_minute": round(float(slope), 3),
            },
            "memory_mb_every_10_s": self.memory,
        }


def read_memory() -> float:
    """RETURNS (float): The resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run the threads, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("docs", type=Path)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--output", type=Path, default=RESULTS / "soak.json")
    args = parser.parse_args()
    nlp = spacy.load(args.model)
    texts = [doc.text for doc in DocBin().from_disk(args.docs).get_docs(nlp.vocab)]
    soak = Soak(nlp, texts, args.slices, args.minutes)
    facts = {"machine": describe_machine(), "threads": args.threads}
    threads = [threading.Thread(target=soak.work, args=(i,)) for i in range(args.threads)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(SECONDS)
        soak.memory.append(round(read_memory(), 1))
        soak.loads.append(os.getloadavg()[0])
        if len(soak.memory) % 6 == 0:
            write(args.output, {**facts, **soak.describe()})
    result = {**facts, **soak.describe()}
    write(args.output, result)
    sys.exit(int(bool(soak.n_different or soak.failures)))


def write(path: Path, result: dict[str, Any]) -> None:
    """Write the result, and print its main figures."""
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")
    names = ("minutes", "docs_read", "docs_with_other_answers", "failures", "memory_mb")
    print(*(f"{name}: {result[name]}" for name in names), sep="; ", flush=True)


if __name__ == "__main__":
    main()
