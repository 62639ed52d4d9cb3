"""A config and a corpus → the reports of spaCy's `debug` commands."""

import subprocess
import sys
from pathlib import Path

from spacy_bert_ner.cli._app import run_script
from spacy_bert_ner.files import replaced_files
from spacy_bert_ner.targets import check_targets


def main(
    config: Path,
    output: Path,
    *,
    encoder: Path = Path("assets/encoder"),
    corpus: Path = Path("corpus/full"),
    lang: str = "en",
) -> None:
    """Print and write what spaCy's debug commands report; fail if they find an error."""
    check_targets(files=[output], inputs=[config], force=True)
    settings = ["--nlp.lang", lang, "--paths.encoder", str(encoder)]
    for part in ("train", "dev"):
        settings += [f"--paths.{part}", str(corpus / f"{part}.spacy")]
    # spaCy examines entities only if its own `ner` is in the pipeline, so the data are checked
    # with the baseline's config.
    checks = (["config", str(config)], ["data", str(config.with_name("stock.cfg"))])
    said = [run_check(check, settings) for check in checks]
    with replaced_files(output.parent, force=True) as folder:
        (folder / output.name).write_text("\n".join(said), encoding="utf8")


def run_check(check: list[str], settings: list[str]) -> str:
    """Run one of spaCy's `debug` commands, and print its report.

    check (List[str]): The command and its argument.
    settings (List[str]): Overrides of the config.
    RETURNS (str): The report.
    RAISES (ValueError): If the command finds an error.
    """
    done = subprocess.run(
        [sys.executable, "-m", "spacy", "debug", *check, *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    if done.returncode != 0:
        raise ValueError(
            f"`spacy debug {' '.join(check)}` found an error. Read its report above, fix the "
            "config or the data, and run the step again."
        )
    return done.stdout


if __name__ == "__main__":
    run_script(main)
