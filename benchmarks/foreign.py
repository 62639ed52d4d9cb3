"""A peer that needs an environment of its own → its environment, F1, and times of reading.

`benchmarks/peers` has a script for each (`NAME_peer.py`) and the versions that it is measured
with (`NAME.txt`). Environments are made at first use, as `.venv-peer-NAME`.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from accuracy import read_sentences

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "peers"
# A peer that reads the model of another one.
BORROWED = {"hf_pipelines": "hugging-face"}
# Peers that need minutes for a batch on a CPU: they learn from so many sentences, so that their
# speed of reading can be measured. Their F1 is not.
SLOW = {"span_marker": 32}


def list_foreign() -> list[str]:
    """RETURNS (List[str]): The peers' names."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def make_environment(name: str) -> Path:
    """Install a peer with the versions of its file, unless that was done before.

    RETURNS (Path): Its Python.
    """
    folder, pins = ROOT / f".venv-peer-{name}", FOLDER / f"{name}.txt"
    python, stamp = folder / "bin" / "python", folder / "pins.txt"
    if not stamp.exists() or stamp.read_bytes() != pins.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", pins], check=True)
        stamp.write_bytes(pins.read_bytes())
    return python


def train_foreign(
    name: str, train: Path, dev: Path, encoder: Path, *, epochs: int, seed: int, folder: Path
) -> tuple[float, float]:
    """Train a peer on two DocBin files.

    RETURNS (Tuple[float, float]): F1 in percent for dev, on its words; seconds of training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    gold = list(read_sentences(dev))
    sentences = list(read_sentences(train))[: SLOW.get(name)]
    data = folder / "data.json"
    data.write_text(json.dumps({"train": sentences, "dev": gold[: SLOW.get(name)]}), "utf8")
    done = subprocess.run(
        [*_command(name), "train", data, encoder.resolve(), str(epochs), str(seed), folder],
        stdout=subprocess.PIPE,
        check=True,
    )
    data.unlink()
    found = json.loads((folder / "spans.json").read_text("utf8"))
    f1 = score_spans([spans for _, spans in gold[: len(found)]], found)
    return f1, json.loads(done.stdout)


def score_spans(gold: Sequence[Any], found: Sequence[Any]) -> float:
    """RETURNS (float): F1 in percent of exact matches."""
    pairs = [
        ({tuple(x) for x in a}, {tuple(x) for x in b}) for a, b in zip(gold, found, strict=True)
    ]
    n_right = sum(len(a & b) for a, b in pairs)
    n_all = sum(len(a) + len(b) for a, b in pairs)
    return 200 * n_right / n_all if n_all else 0.0


class ForeignReader:
    """A process that reads the same texts each time it is called.

    name (str): The peer.
    folder (Path): Its trained model.
    texts (Path): A JSON list.
    """

    def __init__(self, name: str, folder: Path, texts: Path):
        """Start the process and wait until the model is loaded."""
        self.process = subprocess.Popen(
            [*_command(name), "read", folder, texts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        self._stdin, self._stdout = cast(Any, self.process.stdin), cast(Any, self.process.stdout)
        self.load = self._receive()
        self.peak = 0.0

    def __call__(self, texts: Sequence[str]) -> tuple[float, float]:
        """Read the texts that it was made with.

        RETURNS (Tuple[float, float]): Seconds by the clock; seconds of the processors.
        """
        self._stdin.write("\n")
        wall, cpu, self.peak = self._receive()
        return wall, cpu

    def __enter__(self) -> "ForeignReader":
        """RETURNS (ForeignReader): This one."""
        return self

    def __exit__(self, *args: object) -> None:
        """End the process."""
        self.process.communicate(timeout=60)

    def _receive(self) -> Any:
        line = self._stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended: {self.process.wait()}")
        return json.loads(line)


def _command(name: str) -> list[Path]:
    return [make_environment(name), FOLDER / f"{name}_peer.py"]
