"""A column file that several tests of converting read."""

import random

import pytest


@pytest.fixture
def conll(tmp_path):
    """A column file of 40 documents with 120 sentences, 10 of them the same."""
    rng = random.Random(0)
    lines = []
    for document in range(40):
        lines.append("-DOCSTART- O\n\n")
        for sentence in range(3):
            name = f"Name{document}x{sentence}" if sentence or document % 4 else "Oslo"
            label = rng.choice(["PER", "LOC", "LOC", "LOC"])
            lines.append(f"{name} B-{label if name != 'Oslo' else 'LOC'}\nwon O\n. O\n\n")
    path = tmp_path / "data.conll"
    path.write_text("".join(lines))
    return path
