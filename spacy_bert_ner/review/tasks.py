"""Sentences with a reading to check → files that annotation tools and spreadsheets open."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ..read.records.from_docs import Record, doc_to_doccano, doc_to_label_studio, doc_to_prodigy
from ..read.sentence import DocData
from ..read.writers import doc_to_columns
from ..schemes import Span

ID_KEY = "review_id"
"""The key under which tasks hold their id; every tool gives it back."""

BEFORE_KEY = "review_gold"
"""The key under which tasks hold the gold entities of their sentence, before any answer."""

CSV_COLUMNS = (ID_KEY, "answer", "kind", "probability", "gold", "proposed", "sentence", "spans")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Task(NamedTuple):
    """A sentence to check.

    id (str): Its id, or that of a place in it.
    data (DocData): The sentence; its spans are the reading that is filled in.
    info (Dict[str, Any]): What the annotator is shown with it: texts and numbers.
    probability (float): Probability of the reading.
    before (List[Tuple[int, int, str]] | None): The gold entities of the sentence, in
        characters; `None` if it has no gold.
    """

    id: str
    data: DocData
    info: dict[str, Any]
    probability: float
    before: list[Span] | None = None

    @property
    def keys(self) -> dict[str, Any]:
        """What a tool must give back: the id and, if there is gold, the gold."""
        gold = {} if self.before is None else {BEFORE_KEY: self.before}
        return {ID_KEY: self.id, **gold}


def doc_to_data(doc: Doc, spans: Sequence[Span]) -> DocData:
    """Give the words of a sentence, with other entities, as writers take it."""
    spaces = [bool(token.whitespace_) for token in doc]
    return DocData([token.text for token in doc], spaces, sorted(spans), [0])


def task_to_label_studio(task: Task) -> Record:
    """Write a task whose reading is a prediction, which an annotator accepts or changes."""
    record = doc_to_label_studio(task.data)
    prediction = {
        "model_version": "spacy-bert-ner",
        "score": task.probability,
        "result": record["annotations"][0]["result"],
    }
    data = {**record["data"], **task.keys, **task.info}
    return {"data": data, "predictions": [prediction]}


def task_to_prodigy(task: Task) -> Record:
    """Write a task for `prodigy ner.manual`; its `meta` is shown below the text."""
    record = doc_to_prodigy(task.data)
    del record["answer"]
    return {**record, **task.keys, "meta": task.info}


def task_to_doccano(task: Task) -> Record:
    """Write a line of Doccano, whose labels are filled in."""
    return {**doc_to_doccano(task.data), **task.keys, **task.info}


_RECORDS: dict[str, Callable[[Task], Record]] = {
    "prodigy.jsonl": task_to_prodigy,
    "doccano.jsonl": task_to_doccano,
}


def write_tasks(tasks: Sequence[Task], path: Path) -> None:
    """Write tasks in the format that the file's name stands for.

    tasks (Sequence[Task]): The tasks.
    path (Path): A file named `label-studio.json`, `prodigy.jsonl`, `doccano.jsonl` or
        `sentences.conll`.
    """
    if path.name == "label-studio.json":
        records = [task_to_label_studio(task) for task in tasks]
        text = json.dumps(records, ensure_ascii=False, indent=1) + "\n"
    elif path.name == "sentences.conll":
        text = "".join(doc_to_columns(task.data) for task in tasks)
    else:
        make = _RECORDS[path.name]
        text = "".join(json.dumps(make(task), ensure_ascii=False) + "\n" for task in tasks)
    path.write_text(text, encoding="utf8")


def write_rows(rows: Sequence[Sequence[Any]], path: Path) -> None:
    """Write a table for a spreadsheet, which takes no cell of it for a formula.

    rows (Sequence[Sequence[Any]]): Cells in the order of `CSV_COLUMNS`.
    path (Path): The file.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        writer.writerows([[_quote_formula(str(cell)) for cell in row] for row in rows])


def _quote_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
