"""Install the wheels in a new environment, and compare its entities with ours."""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import spacy
from wasabi import msg

from spacy_bert_ner.cli._app import run_script
from spacy_bert_ner.package.trial import REPORTED, TEXTS, Entity, find_scored_entities, try_wheels

HALF_TOLERANCE = 0.01
"""Most that a score may differ: the packaged weights may be stored in half precision."""


def main(
    model: Path,
    packages: Path,
    output: Path,
    *,
    name: str = "en_kaggle_ner",
    borrow: bool = False,
) -> None:
    """Exit with an error unless the installed model finds what the trained one finds.

    With --borrow only the two wheels are installed, and what they require is taken from
    this environment: a minute faster, but it does not show that the requirements suffice.
    """
    wheels = [*packages.glob("*.whl"), *packages.glob(f"{name}-*/dist/*.whl")]
    if len(wheels) != 2:
        found = ", ".join(path.name for path in wheels) or "none"
        msg.fail(
            f"{packages}: expected the wheels of spacy-bert-ner and {name}, found {found}. "
            "Run `python -m spacy project run package`.",
            exits=1,
        )
    # Without a local part such as "+cpu", so that a pin fits any index.
    pins = [] if borrow else [f"{dist}=={version(dist).partition('+')[0]}" for dist in REPORTED]
    expected = find_scored_entities(spacy.load(model), TEXTS)
    msg.text(f"Installing {', '.join(path.name for path in wheels)} in a new environment")
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        trial = try_wheels(
            Path(folder).resolve(),
            wheels,
            name=name,
            environment="versions of this one",
            pins=pins,
            texts=TEXTS,
            expected=expected,
            tolerance=HALF_TOLERANCE,
            borrow=borrow,
        )
    if trial.failure:
        msg.fail(f"{name}: {trial.failure}", exits=1)
    for text, ents in zip(TEXTS, expected, strict=True):
        print_entities(text, ents)
    msg.good(f"{name}, installed from its wheel, finds the same as {model}")
    output.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"text": text, "ents": [ent[:3] for ent in ents]}
        for text, ents in zip(TEXTS, expected, strict=True)
    ]
    output.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf8")


def print_entities(text: str, ents: list[Entity]) -> None:
    """Print a text and its entities, a line each."""
    msg.info(repr(text))
    for start, end, label, _ in ents:
        msg.text(f"    {label:4} {text[start:end]}")
    if not ents:
        msg.text("    no entities")


if __name__ == "__main__":
    run_script(main)
