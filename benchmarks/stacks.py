"""Do the core tests pass with the oldest and the newest packages, and with transformers 5?

python benchmarks/stacks.py FOLDER [--stack oldest] [--stack newest] [--stack five]

It makes an environment for each stack in FOLDER (the oldest torch takes 5 GB), and runs the
tests named below, a few hundred, one stack after the other.
"""

import os
import re
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path

import typer
from wasabi import MarkdownRenderer

ROOT = Path(__file__).parent.parent
TESTS = [
    *(f"encode/test_{n}.py" for n in ["transformer", "forward", "listeners", "checkpoint", "shim"]),
    "encode/test_precision.py",
    "tag",
    "pipe/test_bert_ner.py",
    "pipe/test_plain_loops.py",
    "interop/test_from_hf.py",
    "interop/test_to_hf.py",
    "train/test_train.py",
    "test_compatibility.py",
    "optimize/test_optimizers.py",
    "test_registry.py",
]
TOOLS = ["pytest>=8", "pytest-timeout", "hypothesis"]
# The lowest versions that setup.cfg and the packages themselves allow together.
OLDEST = [
    "spacy==3.8.7",
    "spacy-transformers==1.4.0",
    "thinc==8.3.4",
    "torch==2.10.0",
    "huggingface-hub==0.30.0",
    "safetensors==0.4.3",
    "jinja2==3.1.0",
    "packaging==23.0",
    "tqdm==4.42.1",
    "click==8.0.0",
]
# What each stack installs, one pip command after the other.
STACKS = {
    "oldest": [[f"{ROOT}", *OLDEST, *TOOLS]],
    "newest": [["torch"], [f"{ROOT}[test]"]],
    "five": [["torch"], [f"{ROOT}[test]"], ["transformers>=5"]],
}
SHOWN = ("spacy", "spacy-transformers", "thinc", "torch", "transformers", "tokenizers", "numpy")
# spacy-transformers 1.4.0 takes these names from modules that transformers 5 no longer has. The
# copy in the throw-away environment takes them from where they are now, as 2.x will.
MOVED = {
    "transformers.tokenization_utils import BatchEncoding": "transformers import BatchEncoding",
    "transformers.file_utils import": "transformers.utils import",
    "transformers.tokenization_utils_fast import": "transformers import",
}


def main(folder: Path, *, stack: list[str] = list(STACKS)) -> None:  # noqa: B006 - typer
    """Build each stack, run the tests, and add a section to the page of results."""
    output = ROOT / "benchmarks/results/stacks.md"
    for name in stack:
        python = build(folder / name, STACKS[name], newest_torch=name == "oldest")
        if name == "five":
            move_imports(folder / name)
        counts, lines = test(python)
        section = write_section(name, folder / name, counts, lines)
        replace_section(output, name, section)
        print(section)


def build(env: Path, installs: list[list[str]], *, newest_torch: bool) -> Path:
    """Make an environment, unless there is one already."""
    python = env / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
        bounds = [] if newest_torch else ["-c", str(ROOT / "constraints.txt")]
        for packages in installs:
            command = [str(python), "-m", "pip", "install", "-q", *bounds, *packages]
            subprocess.run(command, check=True)
    return python


def move_imports(env: Path) -> None:
    """Let the environment's copy of spacy-transformers import what transformers 5 has."""
    for path in env.glob("lib/python*/site-packages/spacy_transformers/**/*.py"):
        text = path.read_text("utf8")
        for old, new in MOVED.items():
            text = text.replace(f"from {old}", f"from {new}")
        path.write_text(text, "utf8")


def test(python: Path) -> tuple[dict[str, int], list[str]]:
    """Run the tests; give the counts of their outcomes, and a line for each that failed."""
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "--tb=line", "-rf"]
    command += [f"tests/{name}" for name in TESTS]
    options = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **os.environ}
    done = subprocess.run(command, cwd=ROOT, env=options, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", lines[-1] if lines else "")}
    return counts, [line for line in lines if line.startswith(("FAILED", "ERROR"))]


def write_section(name: str, env: Path, counts: dict[str, int], lines: list[str]) -> str:
    """Write what was tried and what came of it."""
    folders = [str(folder) for folder in env.glob("lib/python*/site-packages")]
    found = {dist.name.lower(): dist.version for dist in distributions(path=folders)}
    versions = MarkdownRenderer().table([(found.get(name, "–") for name in SHOWN)], SHOWN)
    outcome = ", ".join(f"{n} {word}" for word, n in counts.items() if word != "warnings")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return "\n\n".join([f"## {name}", versions, f"{python}, {day}: {outcome}.", *lines]) + "\n"


def replace_section(page: Path, name: str, section: str) -> None:
    """Put a section into the page, in place of an earlier one of the same stack."""
    text = page.read_text("utf8") if page.exists() else "# Three stacks\n"
    parts = re.split(r"(?m)^(?=## )", text)
    kept = [part for part in parts if not part.startswith(f"## {name}\n")]
    page.write_text("\n".join(part.strip() + "\n" for part in [*kept, section]), "utf8")


if __name__ == "__main__":
    typer.run(main)
