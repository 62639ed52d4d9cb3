"""Check a config and a corpus by spaCy's `debug` commands, and keep what they say."""

import subprocess
import sys
from pathlib import Path

from wasabi import msg

from spacy_bert_ner.cli._app import run_script
from spacy_bert_ner.files import replaced_files


def main(
    config: Path,
    output: Path,
    *,
    encoder: Path = Path("assets/encoder"),
    corpus: Path = Path("corpus/full"),
    lang: str = "en",
) -> None:
    """Exit with an error if spaCy finds one; its reports are printed and written."""
    settings = ["--nlp.lang", lang, "--paths.encoder", str(encoder)]
    for part in ("train", "dev"):
        settings += [f"--paths.{part}", str(corpus / f"{part}.spacy")]
    # spaCy examines entities only where its own `ner` stands in the pipeline, so the data are
    # checked with the baseline's config.
    checks = (["config", str(config)], ["data", str(config.with_name("stock.cfg"))])
    said = [run_check(check, settings) for check in checks]
    with replaced_files(output.parent, force=True) as folder:
        (folder / output.name).write_text("\n".join(said), encoding="utf8")


def run_check(check: list[str], settings: list[str]) -> str:
    """Run one of spaCy's `debug` commands, show what it says, and give it."""
    done = subprocess.run(
        [sys.executable, "-m", "spacy", "debug", *check, *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    if done.returncode != 0:
        msg.fail(f"`spacy debug {' '.join(check)}` found a fault, see above.", exits=1)
    return done.stdout


if __name__ == "__main__":
    run_script(main)
