"""Install the wheels in a new environment, and compare its entities with ours."""

import json
import os
import subprocess
import sysconfig
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

import spacy
from wasabi import msg

from spacy_bert_ner.cli._app import run_script

# The figures of a model hold for the versions that it was trained with.
PINNED = ("numpy", "spacy", "spacy-transformers", "thinc", "tokenizers", "torch", "transformers")
TEXTS = (
    "Mr. Trump’s tweets began just moments after a Fox News report by Mike Tobin, a reporter for "
    "the network, about protests in Minnesota and elsewhere.",
    "alex lives in london",
    "",
)
# Runs in the new environment: texts on standard input, entities on standard output.
READER = """
import json, sys
import spacy
nlp = spacy.load(sys.argv[1])
docs = nlp.pipe(json.load(sys.stdin))
ents = [[[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents] for doc in docs]
import spacy_bert_ner
files = [spacy.util.get_package_path(sys.argv[1]).as_posix(), spacy_bert_ner.__file__]
json.dump({"files": files, "ents": ents}, sys.stdout)
"""

Entity = tuple[int, int, str]


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
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        try:
            paths = [path.resolve() for path in wheels]
            installed = read_installed(Path(folder), paths, name, borrow=borrow)
        except subprocess.CalledProcessError as error:
            msg.fail(f"{error.cmd[0]} ended with code {error.returncode}, see above.", exits=1)
    nlp = spacy.load(model)
    expected = [
        [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in nlp.pipe(TEXTS)
    ]
    for text, ents in zip(TEXTS, installed, strict=True):
        print_entities(text, ents)
    if installed != expected:
        msg.fail(f"The installed model finds {installed}, the trained one {expected}.", exits=1)
    msg.good(f"{name}, installed from its wheel, finds the same as {model}")
    output.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": text, "ents": ents} for text, ents in zip(TEXTS, installed, strict=True)]
    output.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf8")


def read_installed(
    folder: Path, wheels: list[Path], name: str, *, borrow: bool = False
) -> list[list[Entity]]:
    """Give the entities that the model finds where nothing but its wheels is installed.

    folder (Path): An empty folder outside the checkout.
    wheels (List[Path]): The wheels to install.
    name (str): The model's package.
    borrow (bool): Whether to take what they require from this environment.
    RETURNS (List[List[Tuple[int, int, str]]]): Character offsets and label, for each text.
    """
    msg.text(f"Installing {', '.join(path.name for path in wheels)} in {folder}/env")
    venv.create(folder / "env", with_pip=True)
    python = str(folder / "env" / "bin" / "python")
    constraints = folder / "constraints.txt"
    # Without a local part such as "+cpu", so that a constraint fits any index.
    pins = [f"{dist}=={version(dist).partition('+')[0]}" for dist in PINNED]
    constraints.write_text("\n".join(pins), encoding="utf8")
    install = [python, "-m", "pip", "install", "-qq", "--no-compile"]
    install += ["--no-deps"] if borrow else ["--constraint", str(constraints)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["HF_HUB_OFFLINE"] = "1"
    subprocess.run([*install, *map(str, wheels)], check=True, cwd=folder, env=environment)
    if borrow:
        (site_packages,) = (folder / "env").glob("lib/python*/site-packages")
        # Comes after the new environment's own packages; no .pth file in it is followed.
        (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf8")
    done = subprocess.run(
        [python, "-c", READER, name],
        input=json.dumps(TEXTS),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=folder,
        env=environment,
    )
    answer = json.loads(done.stdout)
    for file in answer["files"]:
        if not Path(file).is_relative_to(folder):
            msg.fail(f"{file} was loaded, expected only files in {folder}.", exits=1)
    return [[(start, end, label) for start, end, label in ents] for ents in answer["ents"]]


def print_entities(text: str, ents: list[Entity]) -> None:
    """Print a text and its entities, a line each."""
    msg.info(repr(text))
    for start, end, label in ents:
        msg.text(f"    {label:4} {text[start:end]}")
    if not ents:
        msg.text("    no entities")


if __name__ == "__main__":
    run_script(main)
