"""A model and unlabelled texts → the texts that teach most, with what the model finds in them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..annotate.places import find_files
from ..annotate.records import BadRecord, Range, RecordReader, TextRecord
from ..annotate.rows import read_file_rows
from ..corpus.docbin import read_docs
from ..decode.best_path import find_best_path
from ..decode.marginals import sum_paths
from ..files import replaced_files
from ..progress import ShowProgress, hide_progress
from ..schemes import Span
from ..tag.tag_set import OPEN, path_to_spans
from .judge import Scored, score_docs
from .sentences import hash_words, split_doc
from .tasks import Task, doc_to_data, write_tasks

SUGGESTIONS = ("label-studio.json", "prodigy.jsonl", "doccano.jsonl", "sentences.conll")
"""What `write_suggestions` writes, all with the same texts."""

POOL = 5
"""From so many times the number wanted, the most uncertain ones, different texts are chosen."""


class Scouted(NamedTuple):
    """What a model makes of one text.

    doc (Doc): The text.
    spans (List[Tuple[int, int, str]]): The entities of the best reading, in tokens.
    uncertainty (float): 1 minus the probability of the best reading, per word: the
        geometric mean over the words (MNLP, Shen et al. 2018).
    wished (float): Expected number of entities with a wished label.
    vector (ndarray): Mean of the vectors of its tokens, of length 1. Shape: (width,).
    """

    doc: Doc
    spans: list[Span]
    uncertainty: float
    wished: float
    vector: np.ndarray


def suggest(
    nlp: Language,
    name: str,
    texts: Iterable[str],
    *,
    number: int = 200,
    known: Sequence[Path] = (),
    labels: Sequence[str] = (),
    progress: ShowProgress = hide_progress,
) -> list[Task]:
    """Choose the texts that teach a pipeline most.

    The texts with the least certain readings are candidates. Of these, one after another is
    chosen: the one with the largest product of uncertainty and distance to the nearest text
    already chosen.

    nlp (Language): The pipeline.
    name (str): Name of its `bert_ner`.
    texts (Iterable[str]): Unlabelled texts, best sentences; repeats are left out.
    number (int): How many to choose.
    known (Sequence[Path]): Corpora (`.spacy`) whose sentences are not suggested again.
    labels (Sequence[str]): Wished labels: texts count by how many such entities they
        probably have, at most one.
    progress (ShowProgress): Watches the texts.
    RETURNS (List[Task]): The texts in the order of choice, with what the pipeline finds.
    RAISES (ValueError): If the number is not positive, or the model lacks a label.
    """
    ner: Any = nlp.get_pipe(name)
    unknown = sorted(set(labels) - set(ner.labels))
    if unknown:
        raise ValueError(
            f"The model does not have the label {', '.join(unknown)}, expected labels of "
            f"{', '.join(ner.labels)}. Correct `label`."
        )
    if number < 1:
        raise ValueError(f"`number = {number}`, expected 1 or more.")
    docs = list(find_new(nlp, texts, known))
    scored = progress(score_docs(nlp, name, docs), text="Reading texts", total=len(docs))
    scouted = [
        scout(item, find_vector(ner.model, item), labels) for item in scored if len(item.scores)
    ]
    chosen = choose(scouted, number, by_wish=bool(labels))
    return [make_task(found, i) for i, found in enumerate(chosen)]


def find_new(nlp: Language, texts: Iterable[str], known: Sequence[Path]) -> Iterator[Doc]:
    """Tokenize texts, and leave out those that are known or repeated, whatever their blanks."""
    # A corpus may have other words than the tokenizer makes of the same text.
    seen = {
        "".join(sent.text.split())
        for path in known
        for doc in read_docs(path, nlp.vocab)
        for sent in split_doc(doc)
    }
    for text in texts:
        key = "".join(text.split())
        if key and key not in seen:
            seen.add(key)
            yield nlp.make_doc(text)


def find_vector(model: Model, item: Scored) -> np.ndarray:
    """Average the vectors of a text's tokens, or its tag scores if the head has no vectors."""
    if "tok2vec" not in model.ref_names:
        return item.scores.mean(axis=0)
    X = model.get_ref("tok2vec").predict([item.seen])[0]
    return model.ops.to_numpy(X).mean(axis=0)


def scout(item: Scored, vector: np.ndarray, labels: Sequence[str]) -> Scouted:
    """Measure how uncertain the best reading of a text is.

    item (Scored): The text with the scores of its words; there is at least one.
    vector (ndarray): Its mean vector. Shape: (width,).
    labels (Sequence[str]): Wished labels.
    RETURNS (Scouted): What the model makes of it.
    """
    scores, is_start, steps = item.scores, item.words.is_start, item.model.steps
    path = find_best_path(scores, is_start, steps)
    marginals = sum_paths(scores, is_start, steps)
    before = np.where(is_start, len(steps) - 1, np.roll(path, 1))
    ends = np.append(is_start[1:], True)
    total = scores[np.arange(len(path)), path].sum() + steps[before, path].sum()
    log_prob = float(total + steps[path[ends], -1].sum()) - marginals.log_sum
    tag_set = item.model.tag_set
    opens = (tag_set.kinds == OPEN) & np.isin(tag_set.labels, labels)
    return Scouted(
        item.doc,
        path_to_spans(path, item.words.tokens, tag_set),
        float(-np.expm1(min(log_prob, 0.0) / len(path))),
        float(marginals.tags[:, opens].sum()),
        vector / (np.linalg.norm(vector) or 1.0),
    )


def choose(texts: Sequence[Scouted], number: int, *, by_wish: bool = False) -> list[Scouted]:
    """Choose uncertain texts that differ from each other (greedy, weighted k-centre).

    texts (Sequence[Scouted]): The texts.
    number (int): How many to choose.
    by_wish (bool): Whether wished labels count.
    RETURNS (List[Scouted]): The texts in the order of choice.
    """
    value = np.asarray([x.uncertainty * (min(x.wished, 1.0) if by_wish else 1.0) for x in texts])
    pool = np.argsort(-value, kind="stable")[: POOL * number]
    if not len(pool):
        return []
    X, weights = np.stack([texts[i].vector for i in pool]), value[pool]
    nearest = np.full(len(pool), 2.0)  # largest cosine distance there is
    is_left = np.ones(len(pool), dtype=bool)
    chosen = []
    for _ in range(min(number, len(pool))):
        best = int(np.argmax(np.where(is_left, weights * nearest, -1.0)))
        chosen.append(texts[pool[best]])
        is_left[best] = False
        nearest = np.minimum(nearest, np.maximum(1.0 - X @ X[best], 0.0))
    return chosen


def make_task(found: Scouted, number: int) -> Task:
    """Make the task of a text, with the best reading filled in."""
    certainty = 1.0 - found.uncertainty
    info = {"uncertainty": f"{100 * found.uncertainty:.1f} % a word"}
    data = doc_to_data(found.doc, found.spans)
    return Task(f"{number}-{hash_words(found.doc)}", data, info, certainty)


def write_suggestions(tasks: Sequence[Task], output: Path, *, force: bool = False) -> None:
    """Write tasks in all formats of `SUGGESTIONS`.

    tasks (Sequence[Task]): The tasks.
    output (Path): The folder; other files in it stay.
    force (bool): Whether files of the same name are replaced.
    """
    with replaced_files(output, force=force) as folder:
        for name in SUGGESTIONS:
            write_tasks(tasks, folder / name)


def read_unlabelled(
    path: Path, *, text_field: str = "text", longest: int = 1_000_000
) -> Iterator[TextRecord | BadRecord]:
    """Read texts in any format that `annotate` reads.

    path (Path): A file, or a folder of files.
    text_field (str): The field with the text.
    longest (int): The most characters of a text.
    YIELDS (TextRecord | BadRecord): One for each row.
    """
    files = tuple(find_files([path]))
    reader = RecordReader(files, text_field, None, longest)
    for number, file in enumerate(files):
        for i, (offset, row) in enumerate(read_file_rows(file)):
            yield reader.make_record(row, Range(number, i, 1, offset))
