"""A trained pipeline and the folder of its wheels → what they find, here and installed anew."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import DocBin

from ..evaluate.predict import make_blank_copy
from ..files import hash_file
from ..scratch import temporary_folder
from .trial import (
    REPORTED,
    TEXTS,
    Trial,
    find_scored_entities,
    list_found,
    make_environments,
    try_wheels,
)

BORROWED = "borrowed"
ENVIRONMENTS = ("here", BORROWED, "supported")
"""The versions here, pinned; the packages here, not installed anew; the oldest and the newest."""


def find_wheels(packages: Path, name: str) -> tuple[list[Path], Path]:
    """Find what `package` wrote.

    packages (Path): The folder.
    name (str): The model's package, for example "en_kaggle_ner".
    RETURNS (Tuple[List[Path], Path]): The wheels of the plugin and of the model, and the
        pipeline within the model's package folder.
    RAISES (ValueError): If one of them is missing, or there are several.
    """
    wheels = [*packages.glob("*.whl"), *packages.glob(f"{name}-*/dist/*.whl")]
    folders = list(packages.glob(f"{name}-*/{name}/{name}-*"))
    if len(wheels) != 2 or len(folders) != 1:
        found = ", ".join(path.name for path in wheels) or "none"
        raise ValueError(
            f"{packages}: expected the wheels of spacy-bert-ner and {name}, found {found}. Build "
            "them with `python -m spacy bert-ner package` and its setting `plugin`."
        )
    return wheels, folders[0]


def find_environments(kind: str, *, torch: str | None = None) -> dict[str, list[str]]:
    """Give the environments to try wheels in.

    kind (str): One of `ENVIRONMENTS`.
    torch (str | None): With "supported", the version of torch in both environments.
    RETURNS (Dict[str, List[str]]): Pins for pip, by the environment's name.
    RAISES (ValueError): If there is no such kind.
    """
    if kind not in ENVIRONMENTS:
        raise ValueError(f"Environments '{kind}', expected one of {', '.join(ENVIRONMENTS)}.")
    if kind == "supported":
        return make_environments(torch=torch)
    if kind == BORROWED:
        return {BORROWED: []}
    # Without a local part such as "+cpu", so that a pin fits any index.
    return {kind: [f"{dist}=={version(dist).partition('+')[0]}" for dist in REPORTED]}


def compare_pipelines(before: Language, after: Language, corpus: Path | None) -> tuple[int, int]:
    """Compare the entities of two pipelines.

    before, after (Language): The pipelines.
    corpus (Path | None): Docs (.spacy), of which the pipelines get the words; `None` for
        the texts that a model is tried on.
    RETURNS (Tuple[int, int]): How many docs, and how many have the same entities.
    """

    def find_spans(nlp: Language) -> list[list[tuple[int, int, str]]]:
        texts: Any = TEXTS
        if corpus is not None:
            texts = map(make_blank_copy, DocBin().from_disk(corpus).get_docs(nlp.vocab))
        return [[(e.start, e.end, e.label_) for e in list_found(doc)] for doc in nlp.pipe(texts)]

    found = find_spans(before), find_spans(after)
    return len(found[0]), sum(one == other for one, other in zip(*found, strict=True))


def try_everywhere(
    wheels: Sequence[Path], nlp: Language, name: str, environments: dict[str, list[str]]
) -> Iterator[Trial]:
    """Try wheels in one new environment after the other.

    wheels (Sequence[Path]): The wheels.
    nlp (Language): The packaged pipeline, loaded here.
    name (str): The model's package.
    environments (Dict[str, List[str]]): As `find_environments` gives them.
    YIELDS (Trial): How each went.
    """
    expected = find_scored_entities(nlp, TEXTS)
    for environment, pins in environments.items():
        with temporary_folder() as tmp:
            yield try_wheels(
                tmp.resolve(),
                wheels,
                name=name,
                environment=environment,
                pins=pins,
                texts=TEXTS,
                expected=expected,
                borrow=environment == BORROWED,
            )


def describe_wheels(wheels: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """RETURNS (Dict[str, Dict[str, Any]]): "sha256" and "bytes" of each wheel, by its name."""
    return {
        wheel.name: {"sha256": hash_file(wheel), "bytes": wheel.stat().st_size} for wheel in wheels
    }


def find_failures(precision: str, n_docs: int, n_same: int, trials: Sequence[Trial]) -> list[str]:
    """Say why a model must not be released.

    precision (str): Of the stored weights; "half" may change entities.
    n_docs, n_same (int): As `compare_pipelines` gave them.
    trials (Sequence[Trial]): As `try_everywhere` gave them. One that could not be made
        is no failure, if another one was tried.
    RETURNS (List[str]): A sentence for each reason; none if all is well.
    """
    failures = []
    if precision == "full" and n_same != n_docs:
        failures.append(
            f"Packaging changed the entities in {n_docs - n_same:,} of {n_docs:,} docs."
        )
    failures += [f"{t.name}: {t.failure}." for t in trials if t.was_tried and t.failure]
    if not any(trial.was_tried for trial in trials):
        reasons = "; ".join(f"{trial.name}: {trial.failure}" for trial in trials)
        failures.append(f"No environment could be made, so nothing was tried. {reasons}.")
    return failures
