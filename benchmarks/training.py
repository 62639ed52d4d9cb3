"""Words per second and memory of training: stock spaCy, Hugging Face, ours, and bare torch.

    python benchmarks/training.py CORPUS ENCODER benchmarks/results/training.json

CORPUS holds train.spacy and dev.spacy, ENCODER is a folder in Hugging Face layout;
Hugging Face's Trainer needs `pip install accelerate`. The peers take turns in one
process, a round of steps each, on the same sentences in batches of 32, without
evaluations; the median over the rounds counts. The bare loop is forward, backward and
torch.optim.AdamW on batches of exactly one length, without padding, tokenization or
components: no trainer on this machine can be much faster. Memory is the peak of
`spacy train` in a process of its own.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import srsly
import torch
import typer
from trainers import BATCH, BarePeer, SpacyPeer, TrainerPeer
from wasabi import msg

ROOT = Path(__file__).parent.parent
CONFIGS = {"stock": ROOT / "configs" / "stock.cfg", "ours": ROOT / "configs" / "config.cfg"}


def measure_speeds(
    corpus: Path, encoder: Path, *, rounds: int, steps: int, limit: int, bf16: bool
) -> dict[str, list[float]]:
    """RETURNS (Dict[str, List[float]]): Words per second of each peer in each round."""
    peers: dict[str, SpacyPeer | TrainerPeer | BarePeer] = {
        **{name: SpacyPeer(path, corpus, encoder, limit) for name, path in CONFIGS.items()},
        "trainer": TrainerPeer(corpus, encoder, limit),
        "bare": BarePeer(corpus, encoder, limit, torch.float32),
    }
    if bf16:
        peers["trainer bf16"] = TrainerPeer(corpus, encoder, limit, bf16=True)
        peers["bare bf16"] = BarePeer(corpus, encoder, limit, torch.bfloat16)
    speeds: dict[str, list[float]] = {name: [] for name in peers}
    for peer in peers.values():
        peer.run(2)
    for _ in range(rounds):
        for name, peer in peers.items():
            speeds[name].append(round(peer.run(steps), 1))
            print(f"{name}: {speeds[name][-1]} words/s", flush=True)
    return speeds


def measure_memory(config: Path, corpus: Path, encoder: Path, n_steps: int) -> float:
    """RETURNS (float): Peak memory of `spacy train` over some steps, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "spacy", "train", str(config), "--output", folder]
        for name, value in {
            "paths.train": corpus / "train.spacy",
            "paths.dev": corpus / "dev.spacy",
            "paths.encoder": encoder,
            "training.max_steps": n_steps,
            "training.eval_frequency": n_steps,
            "corpora.dev.limit": 200,
        }.items():
            command += [f"--{name}", str(value)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"`{' '.join(command)}` ended with status {status}.")
    return usage.ru_maxrss / 1024


def main(
    corpus: Path,
    encoder: Path,
    output: Path,
    *,
    rounds: int = 5,
    steps: int = 24,
    limit: int = 100 * BATCH,
    memory_steps: int = 150,
    bf16: bool = False,
) -> None:
    """Measure each peer in turn, and write all rounds to OUTPUT."""
    torch.set_num_threads(2)
    facts = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
    memory = {
        name: round(measure_memory(path, corpus, encoder, memory_steps))
        for name, path in CONFIGS.items()
        if memory_steps
    }
    print("peak MiB", memory, flush=True)
    speeds = measure_speeds(corpus, encoder, rounds=rounds, steps=steps, limit=limit, bf16=bf16)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    settings = {"steps": steps, "batch": BATCH, "command": sys.argv}
    srsly.write_json(
        output,
        {"medians": medians, "rounds": speeds, "peak_mib": memory, **facts, **settings},
    )
    for name, value in medians.items():
        ratios = [f"{value / medians[peer]:.2f} x {peer}" for peer in ("stock", "trainer", "bare")]
        msg.text(f"{name:>12}: {value:7,.0f} words/s, {', '.join(ratios)}")


if __name__ == "__main__":
    typer.run(main)
