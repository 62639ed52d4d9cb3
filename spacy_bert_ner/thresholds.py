"""A trained pipeline and gold docs → thresholds for a wanted precision."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config

from .gold import find_gold_ents
from .pipe import BertNer
from .reliability import Threshold, find_threshold
from .score import judge_entities

ALL = "all labels"
"""The key of the one threshold that holds for all labels."""


def find_thresholds(
    nlp: Language,
    examples: Iterable[Example],
    *,
    precision: float,
    name: str | None = None,
    per_label: bool = False,
) -> dict[str, Threshold]:
    """Find the thresholds that keep most entities at a wanted precision.

    nlp (Language): The trained pipeline.
    examples (Iterable[Example]): Gold docs that it was not trained on.
    precision (float): The wanted precision, above 0, up to 1.
    name (str | None): Name of the component; `None` for the only `bert_ner`.
    per_label (bool): Whether each label gets its own, instead of one for all.
    RETURNS (Dict[str, Threshold]): By label, or one under "all labels". Labels that
        the model never finds have none.
    RAISES (ValueError): If the precision cannot be reached.
    """
    pipe: Any = nlp.get_pipe(find_component(nlp) if name is None else name)
    kept, pipe.threshold = pipe.threshold, 0.0
    examples = list(examples)
    docs = list(nlp.pipe(eg.predicted for eg in examples))
    examples = [Example(doc, eg.reference) for doc, eg in zip(docs, examples, strict=True)]
    pipe.threshold = kept
    judged = [
        (label if per_label else ALL, score, is_right)
        for eg in examples
        for label, score, is_right in judge_entities(eg, pipe.spans_key)
    ]
    gold = [
        ent.label_ if per_label else ALL
        for eg in examples
        for ent in find_gold_ents(eg.reference, pipe.spans_key)
    ]
    found: dict[str, Threshold] = {}
    for label in sorted({row[0] for row in judged}) or [ALL]:
        rows = [row[1:] for row in judged if row[0] == label]
        probs, is_right = np.asarray(rows, dtype=np.float64).reshape(-1, 2).T
        try:
            found[label] = find_threshold(probs, is_right, gold.count(label), precision=precision)
        except ValueError as err:
            raise ValueError(f"{label}: {err}") from err
    return found


def find_component(nlp: Language) -> str:
    """Give the name of the only `bert_ner` of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (str): The name.
    RAISES (ValueError): If there is none, or more than one.
    """
    names = [name for name, pipe in nlp.pipeline if isinstance(pipe, BertNer)]
    if len(names) != 1:
        raise ValueError(
            f"Found {len(names)} components bert_ner in the pipeline {nlp.pipe_names}, expected "
            "one. Give its name."
        )
    return names[0]


def save_with_thresholds(
    model: Path, output: Path, name: str, thresholds: dict[str, Threshold]
) -> None:
    """Copy a pipeline, with other thresholds in its config.

    model (Path): Folder of the pipeline.
    output (Path): Folder of the copy; it must not exist.
    name (str): Name of the component.
    thresholds (Dict[str, Threshold]): What `find_thresholds` gave.
    RAISES (ValueError): If the folder of the copy exists.
    """
    if output.exists():
        raise ValueError(f"{output} exists; give a folder that does not, or remove it.")
    shutil.copytree(model, output)
    config = load_config(output / "config.cfg")
    values = {label: found.value for label, found in thresholds.items()}
    config["components"][name]["threshold"] = values.get(ALL, values)
    config.to_disk(output / "config.cfg")
