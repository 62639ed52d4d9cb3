"""Many threads on one pipeline for a long time: the same answers, flat memory?

    python benchmarks/soak.py MODEL dev.spacy --threads 8 --minutes 30

Each thread reads random slices of the docs in batches of random size, and compares the
entities and their scores with those of a single thread. Memory is read every ten seconds.
"""

import argparse
import json
import os
import random
import threading
import time
from pathlib import Path

import spacy
from inference import RESULTS
from spacy.language import Language
from spacy.tokens import DocBin
from timing import describe_machine

Answer = list[tuple[int, int, str, float]]


def find(nlp: Language, texts: list[str], batch_size: int) -> list[Answer]:
    """RETURNS (List): The entities of each text, with scores to four digits."""
    return [
        [(e.start_char, e.end_char, e.label_, round(e._.score, 4)) for e in doc.ents]
        for doc in nlp.pipe(texts, batch_size=batch_size)
    ]


def is_same(found: Answer, expected: Answer) -> bool:
    """Compare entities exactly, and scores within what the order of sums changes."""
    return [ent[:3] for ent in found] == [ent[:3] for ent in expected] and all(
        abs(one[3] - other[3]) < 0.01 for one, other in zip(found, expected, strict=True)
    )


class Soak:
    """What the threads share."""

    def __init__(self, nlp: Language, texts: list[str], end: float) -> None:
        """Find the answers of a single thread."""
        self.nlp, self.texts, self.end = nlp, texts, end
        self.expected = find(nlp, texts, 64)
        self.n_docs = self.n_different = 0
        self.failures: list[str] = []
        self.lock = threading.Lock()

    def work(self, seed: int) -> None:
        """Read slices until the time is over."""
        rng = random.Random(seed)
        while time.monotonic() < self.end:
            start = rng.randrange(len(self.texts))
            rows = slice(start, start + rng.randint(1, 64))
            try:
                found = find(self.nlp, self.texts[rows], rng.choice([1, 4, 16, 64]))
            except Exception as error:
                self.failures.append(repr(error))
                return
            n_different = sum(
                not is_same(*pair) for pair in zip(found, self.expected[rows], strict=True)
            )
            with self.lock:
                self.n_docs += len(found)
                self.n_different += n_different


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
    args = parser.parse_args()
    nlp = spacy.load(args.model)
    texts = [doc.text for doc in DocBin().from_disk(args.docs).get_docs(nlp.vocab)]
    soak = Soak(nlp, texts, time.monotonic() + 60 * args.minutes)
    threads = [threading.Thread(target=soak.work, args=(i,)) for i in range(args.threads)]
    for thread in threads:
        thread.start()
    memory, loads = [], []
    while any(thread.is_alive() for thread in threads):
        time.sleep(10)
        memory.append(round(read_memory(), 1))
        loads.append(os.getloadavg()[0])
    result = {
        "machine": describe_machine(),
        "minutes": args.minutes,
        "threads": args.threads,
        "load": round(sum(loads) / len(loads), 1),
        "texts": len(texts),
        "entities": sum(map(len, soak.expected)),
        "docs_read": soak.n_docs,
        "docs_with_other_entities": soak.n_different,
        "failures": soak.failures,
        "memory_mb": {"first": memory[0], "largest": max(memory), "last": memory[-1]},
        "memory_mb_every_10_s": memory,
    }
    text = json.dumps(result, indent=1)
    (RESULTS / "soak.json").write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
