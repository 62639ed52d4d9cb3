"""A corpus, and a config or a model → the places whose labels may be wrong, and a report."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import spacy

from ..files import replaced_files
from ..pipe.factory import find_component, require_doc_ents
from ..progress import ShowProgress, hide_progress
from .candidates import (
    KINDS,
    Candidate,
    candidate_to_row,
    candidate_to_task,
    find_candidates,
    write_candidates,
)
from .estimate import estimate_noise
from .judge import Judgement, judge_sentences
from .page import render_findings
from .sentences import GoldSentence, read_sentences
from .tasks import write_rows, write_tasks

CANDIDATES = "candidates.jsonl"
SUMMARY = "summary.json"
ANSWERS = "answers.csv"
TASKS = ("label-studio.json", "prodigy.jsonl")
PAGE = "label-errors.html"
FINDINGS = (PAGE, CANDIDATES, SUMMARY, ANSWERS, *TASKS)
"""What `write_findings` writes."""


def find_label_errors(
    data: Path,
    models: Sequence[tuple[Path, Iterable[int] | None]],
    *,
    name: str | None = None,
    progress: ShowProgress = hide_progress,
) -> tuple[list[Candidate], dict[str, Any]]:
    """Rank the places of a corpus whose gold labels are improbable.

    data (Path): The corpus (`.spacy`).
    models (Sequence[Tuple[Path, Iterable[int] | None]]): Folders of pipelines, and the
        numbers of the docs that each judges, which it has not learned from; `None` for all.
    name (str | None): The `bert_ner` to use; `None` for the only one.
    progress (ShowProgress): Watches the sentences.
    RETURNS (Tuple[List[Candidate], Dict[str, Any]]): The candidates, the least probable
        gold first, and a summary.
    RAISES (ValueError): If the corpus has no sentences or no label of the models, or these
        write to a span group.
    """
    sentences: list[GoldSentence] = []
    judgements: list[Judgement] = []
    for model, numbers in models:
        nlp = spacy.load(model)
        wanted = None if numbers is None else set(numbers)
        ours = [
            sentence
            for sentence in read_sentences(data, nlp.vocab)
            if wanted is None or sentence.doc in wanted
        ]
        docs = [sentence.gold for sentence in ours]
        component = name or find_component(nlp)
        require_doc_ents(nlp, "errors are looked for in", name=component)
        judged = judge_sentences(nlp, component, docs)
        text = f"Judging {data.name}"
        judgements += progress(judged, text=text, total=len(docs))
        sentences += ours
    if not sentences:
        raise ValueError(f"{data}: no sentences, expected gold docs. Convert the data again.")
    candidates = find_candidates(sentences, judgements)
    n_cut = sum(sentence.n_cut for sentence in sentences)
    n_entities = sum(len(sentence.gold.ents) for sentence in sentences) + n_cut
    n_not_judged = sum(said.n_unjudged for said in judgements) + n_cut
    gold_labels = {ent.label_ for sentence in sentences for ent in sentence.gold.ents}
    if n_entities and n_not_judged == n_entities:
        raise ValueError(
            f"{data}: none of its entities could be judged. It has the labels "
            f"{', '.join(sorted(gold_labels))}, expected some of those of the model, which did not "
            "learn from it. Give a `model` with the same labels."
        )
    kinds = Counter(candidate.kind for candidate in candidates)
    proposed = (label for x in candidates for label in {label for *_, label in x.proposed})
    new_labels = Counter(label for label in proposed if label not in gold_labels)
    return candidates, {
        "data": str(data),
        "n_models": len(models),
        "n_sentences": len(sentences),
        "n_entities": n_entities,
        "n_not_judged": n_not_judged,
        "n_candidates": len(candidates),
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "new_labels": dict(sorted(new_labels.items())),
        **estimate_noise(judgements),
    }


def write_findings(
    candidates: Sequence[Candidate],
    summary: dict[str, Any],
    output: Path,
    *,
    number: int = 500,
    force: bool = False,
) -> None:
    """Write all candidates, and the first ones as a page and as tasks to check.

    candidates (Sequence[Candidate]): The candidates.
    summary (Dict[str, Any]): The summary.
    output (Path): The folder; other files in it stay.
    number (int): The most places on the page and in the tasks.
    force (bool): Whether files of the same name are replaced.
    """
    first = candidates[:number]
    with replaced_files(output, force=force) as folder:
        write_candidates(candidates, folder / CANDIDATES)
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        for name, content in ((SUMMARY, text), (PAGE, render_findings(first, summary))):
            # The summary has names of files, which may have bytes that are not UTF-8.
            (folder / name).write_text(content, encoding="utf8", errors="backslashreplace")
        write_rows([candidate_to_row(candidate) for candidate in first], folder / ANSWERS)
        for name in TASKS:
            write_tasks([candidate_to_task(candidate) for candidate in first], folder / name)
