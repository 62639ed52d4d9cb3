"""The wheels of a model → tried in clean environments: versions, entities, sizes, times."""

import json
import os
import re
import subprocess
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..install import find_reason, list_requirements

N_LOADS = 5
SCORE_TOLERANCE = 1e-4
"""The largest difference allowed between scores in two versions of torch."""
REPORTED = ("spacy", "spacy-transformers", "thinc", "torch", "transformers", "tokenizers", "numpy")
TEXTS = (
    "Mr. Trump’s tweets began just moments after a Fox News report by Mike Tobin, a reporter for "
    "the network, about protests in Minnesota and elsewhere.",
    "alex lives in london",
    "",
)
"""Texts that a model is tried on."""
# Runs in the new environment: texts on standard input, what it finds on standard output.
READER = """
import json, statistics, sys, time
from importlib.metadata import version
import spacy, spacy_bert_ner
from spacy_bert_ner.manifest import verify
name, n_loads, dists = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
n_files = verify(name)
times = []
for _ in range(n_loads):
    start = time.perf_counter()
    nlp = spacy.load(name)
    times.append(time.perf_counter() - start)
docs = list(spacy_bert_ner.load(name).pipe(json.load(sys.stdin)))
found = [[*d.ents, *(span for group in d.spans.values() for span in group)] for d in docs]
ents = [[[e.start_char, e.end_char, e.label_, e._.score] for e in spans] for spans in found]
versions = {dist: version(dist) for dist in dists}
files = [str(nlp.path), spacy_bert_ner.__file__]
json.dump({"files": files, "n_files": n_files, "load_s": statistics.median(times),
           "ents": ents, "versions": versions}, sys.stdout)
"""

Entity = tuple[int, int, str, float | None]


class Trial(NamedTuple):
    """The result of trying a model in one environment.

    name (str): Name of the environment.
    pins (List[str]): Versions that pip had to install.
    failure (str): Why it could not be tried, or what differed; empty if all is well.
    was_tried (bool): Whether the installation succeeded.
    versions (Dict[str, str]): What was installed.
    load_s (float): Seconds to load the model, median.
    n_files (int): Files that the manifest confirmed.
    """

    name: str
    pins: list[str]
    failure: str
    was_tried: bool = False
    versions: dict[str, str] = {}  # noqa: RUF012 - never changed
    load_s: float = 0.0
    n_files: int = 0


def make_environments(*, torch: str | None = None) -> dict[str, list[str]]:
    """List the environments in which a release is tried.

    torch (str | None): The version of torch in all of them; `None` for the oldest and
        the newest that we support.
    RETURNS (Dict[str, List[str]]): Pins for pip: "oldest" has the lowest versions of
        spaCy and torch that setup.cfg allows, "newest" leaves the choice to pip.
    """
    lowest = {}
    for requirement in list_requirements():
        bounds = [s.version for s in requirement.specifier if s.operator == ">="]
        if requirement.name in ("spacy", "spacy-transformers", "torch") and bounds:
            lowest[requirement.name] = bounds[0]
    oldest = [f"{name}=={version}" for name, version in lowest.items()]
    held = [f"torch=={torch}"] if torch else []
    return {
        "oldest": [pin for pin in oldest if not (held and pin.startswith("torch=="))] + held,
        "newest": held,
    }


def try_wheels(
    folder: Path,
    wheels: Sequence[Path],
    *,
    name: str,
    environment: str,
    pins: Sequence[str],
    texts: Sequence[str],
    expected: Sequence[Sequence[Entity]],
    tolerance: float = SCORE_TOLERANCE,
    borrow: bool = False,
) -> Trial:
    """Install wheels in a new environment, and compare what the model finds.

    folder (Path): An empty folder outside the checkout.
    wheels (Sequence[Path]): The wheels.
    name (str): The model's package.
    environment (str): Name of the environment.
    pins (Sequence[str]): Versions that pip must install.
    texts (Sequence[str]): Texts to find entities in.
    expected (Sequence[Sequence[Tuple[int, int, str, float]]]): For each text, the
        entities' characters, label and score.
    tolerance (float): The largest difference allowed between scores.
    borrow (bool): Whether to use the packages of this environment as requirements:
        faster, but it does not show that the requirements suffice.
    RETURNS (Trial): The result.
    RAISES (OSError): If the environment can't be made, for example because the disk is full.
    """
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    variables["HF_HUB_OFFLINE"] = "1"
    _make_environment(folder / "env")
    python = str(folder / "env" / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    install += ["--no-deps", "--no-index"] if borrow else pins
    done = _run([*install, *(str(wheel.resolve()) for wheel in wheels)], folder, variables)
    if done.returncode != 0:
        return Trial(environment, list(pins), f"not installed: {_last_line(done.stderr)}")
    if borrow:
        (site_packages,) = (folder / "env").glob("lib/python*/site-packages")
        # Comes after the new environment's own packages; no .pth file in it is followed.
        (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf8")
    command = [python, "-c", READER, name, str(N_LOADS), *REPORTED]
    done = _run(command, folder, variables, json.dumps(list(texts)))
    if done.returncode != 0:
        return Trial(environment, list(pins), _last_line(done.stderr), was_tried=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    failure = compare_entities(expected, answer["ents"], tolerance=tolerance)
    for file in answer["files"]:
        if not Path(file).is_relative_to(folder):
            failure = f"{file} was loaded, expected only files in {folder}"
    return Trial(
        environment,
        list(pins),
        failure,
        was_tried=True,
        versions=answer["versions"],
        load_s=answer["load_s"],
        n_files=answer["n_files"],
    )


def compare_entities(
    expected: Sequence[Sequence[Entity]],
    found: Sequence[Sequence[Sequence[Any]]],
    *,
    tolerance: float = SCORE_TOLERANCE,
) -> str:
    """Describe where the entities or scores of two runs differ.

    expected, found (Sequence[Sequence[Tuple[int, int, str, float]]]): For each text,
        the entities' characters, label and score.
    RETURNS (str): The first difference; empty if there is none.

    EXAMPLE:
        >>> compare_entities([[(0, 4, "PER", 0.9)]], [[[0, 4, "PER", 0.90001]]])
        ''
    """
    for i, (wanted, has) in enumerate(zip(expected, found, strict=True)):
        if [tuple(ent[:3]) for ent in wanted] != [tuple(ent[:3]) for ent in has]:
            return f"text {i}: found {has}, expected {list(wanted)}"
        for one, other in zip(wanted, has, strict=True):
            before, after = one[3] or 0.0, other[3] or 0.0  # that of a rule is None
            if abs(before - after) > tolerance:
                return f"text {i}: {one[2]} has the score {after:.6f}, expected {before:.6f}"
    return ""


def find_scored_entities(nlp: Language, texts: Sequence[str]) -> list[list[Entity]]:
    """Find the entities of each text: characters, label and score."""
    return [
        [(e.start_char, e.end_char, e.label_, e._.score) for e in list_found(doc)]
        for doc in nlp.pipe(texts)
    ]


def list_found(doc: Doc) -> list[Span]:
    """RETURNS (List[Span]): The entities in `doc.ents`, then the spans of all groups."""
    return [*doc.ents, *(span for group in doc.spans.values() for span in group)]


def _run(
    command: list[str], folder: Path, variables: dict[str, str], text: str | None = None
) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, cwd=folder, env=variables
    )


def _make_environment(folder: Path) -> None:
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError as error:
        reason = find_reason((error.output or b"").decode("utf8", "replace"))
        raise OSError(
            f"{folder}: Python could not make a virtual environment there ({reason}). Make room, "
            "or set TMPDIR to a folder that has some."
        ) from error


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not re.match(r"\[?notice", line)]
    return lines[-1] if lines else "no reason given"
