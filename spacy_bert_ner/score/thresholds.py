"""A trained pipeline and gold docs → thresholds for a target precision."""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config

from ..files import replaced_folder
from ..manifest import MANIFEST, check_manifest, write_manifest
from ..pipe.bert_ner import BertNer
from ..pipe.factory import find_component
from ..tag.gold import find_gold_ents
from ..targets import check_targets
from .reliability import (
    Threshold,
    check_precision,
    find_most_precise,
    find_threshold,
    list_thresholds,
)
from .scorer import judge_entities

ALL = ""
"""The key of a single threshold for all labels; no label is an empty string."""

# What configparser can't read as a key, or spaCy reads as the name of a function. A JSON value
# could hold it, but spaCy writes every dict as a section.
_UNSAFE = re.compile(r"[\r\n:=]|^[\s#;\[@]|\s\Z")


class FoundThresholds(NamedTuple):
    """The thresholds for a target precision, and the labels without one.

    reached (Dict[str, Threshold]): By label, or a single one under `ALL`.
    unreached (Dict[str, Threshold]): For each label that never reaches the precision,
        its most precise threshold.
    """

    reached: dict[str, Threshold]
    unreached: dict[str, Threshold]


def find_thresholds(
    nlp: Language,
    examples: Iterable[Example],
    *,
    precision: float,
    name: str | None = None,
    per_label: bool = False,
) -> FoundThresholds:
    """Find the thresholds that keep the most entities at a target precision.

    nlp (Language): The trained pipeline.
    examples (Iterable[Example]): Gold docs that it was not trained on; they are not
        changed.
    precision (float): The target precision, above 0, up to 1.
    name (str | None): Name of the component; `None` for the only `bert_ner`.
    per_label (bool): Whether each label gets its own threshold.
    RETURNS (FoundThresholds): The thresholds; they skip labels that the model never finds.
    RAISES (ValueError): If no threshold reaches the precision, or with `per_label`, if
        no label reaches it.
    """
    check_precision(precision)
    pipe: Any = nlp.get_pipe(find_component(nlp) if name is None else name)
    examples = annotate_copies(nlp, pipe, examples)
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
    found = FoundThresholds({}, {})
    for label in sorted({row[0] for row in judged}) or [ALL]:
        rows = [row[1:] for row in judged if row[0] == label]
        probs, is_right = np.asarray(rows, dtype=np.float64).reshape(-1, 2).T
        best = find_most_precise(list_thresholds(probs, is_right, gold.count(label)))
        if per_label and best.precision < precision:
            found.unreached[label] = best
        else:
            found.reached[label] = find_threshold(
                probs, is_right, gold.count(label), precision=precision
            )
    if not found.reached:
        best_of_each = ", ".join(f"{key} {t.precision:.4f}" for key, t in found.unreached.items())
        raise ValueError(
            f"No label reaches a precision of {precision} at any threshold: the best are "
            f"{best_of_each}. Ask for a lower precision, or train a better model."
        )
    return found


def annotate_copies(nlp: Language, pipe: BertNer, examples: Iterable[Example]) -> list[Example]:
    """Run a pipeline on copies of the predicted docs, with threshold 0.

    nlp (Language): The pipeline.
    pipe (BertNer): The component; its threshold is restored afterwards.
    examples (Iterable[Example]): Gold docs.
    RETURNS (List[Example]): The copies with the same gold docs.
    """
    read: list[Example] = []

    def copy_docs() -> Iterator[Doc]:
        # Read one by one, so that a caller can watch.
        for eg in examples:
            read.append(eg)
            yield eg.predicted.copy()

    kept, pipe.threshold = pipe.threshold, 0.0
    try:
        docs = list(nlp.pipe(copy_docs()))
    finally:
        pipe.threshold = kept
    return [Example(doc, eg.reference) for doc, eg in zip(docs, read, strict=True)]


def find_unsafe(labels: Iterable[str]) -> list[str]:
    """Find the labels that a config cannot hold as the keys of a section.

    labels (Iterable[str]): The labels.
    RETURNS (List[str]): The labels that no config can hold.

    EXAMPLE:
        >>> find_unsafe(["PER", "a.b", "a:b", "#a"])
        ['a:b', '#a']
    """
    return [label for label in labels if _UNSAFE.search(label)]


def save_with_thresholds(
    model: Path,
    output: Path,
    name: str,
    thresholds: dict[str, Threshold],
    *,
    force: bool = False,
) -> None:
    """Copy a pipeline, with new thresholds in its config.

    If the pipeline has a manifest, it is checked, and the copy gets its own.

    model (Path): Folder of the pipeline.
    output (Path): Folder of the copy.
    name (str): Name of the component.
    thresholds (Dict[str, Threshold]): The `reached` ones of `find_thresholds`.
    force (bool): Whether to replace what an earlier call wrote to the output folder.
    RAISES (TargetExistsError): If the output folder exists and `force` is not set.
    RAISES (ValueError): If a config cannot hold a label.
    RAISES (BrokenModelError): If the pipeline differs from its manifest.
    """
    check_targets(folder=output, inputs=[model], force=force)
    values = {label: found.value for label, found in thresholds.items()}
    unsafe = find_unsafe(values)
    if unsafe:
        raise ValueError(
            f"A config cannot hold a threshold for {', '.join(map(repr, unsafe))}: labels in it "
            "must not contain line breaks, ':' or '=', begin with any of '#;[@', or begin or end "
            "with a space. Use one threshold for all labels, or train with other label names."
        )
    has_manifest = (model / MANIFEST).exists()
    if has_manifest:
        check_manifest(model)
    with replaced_folder(output, record=MANIFEST) as aside:
        shutil.copytree(model, aside, dirs_exist_ok=True)
        config = load_config(aside / "config.cfg")
        config["components"][name]["threshold"] = values.get(ALL, values)
        config.to_disk(aside / "config.cfg")
        if has_manifest:
            write_manifest(aside)
