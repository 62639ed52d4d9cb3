"""Run `spacy debug data` on a corpus and keep what it says."""

import subprocess
import sys
from pathlib import Path

import typer
from wasabi import msg


def main(
    config: Path,
    output: Path,
    *,
    encoder: Path = Path("assets/encoder"),
    corpus: Path = Path("corpus/full"),
    lang: str = "en",
) -> None:
    """Exit with an error if spaCy finds one; its report is printed and written."""
    command = [sys.executable, "-m", "spacy", "debug", "data", str(config)]
    command += ["--nlp.lang", lang, "--paths.encoder", str(encoder)]
    for part in ("train", "dev"):
        command += [f"--paths.{part}", str(corpus / f"{part}.spacy")]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout)
    if done.returncode != 0:
        msg.fail(f"`spacy debug data` found a fault in {corpus} or {config}, see above.", exits=1)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(done.stdout, encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
