"""Teachers, texts and a config → targets on disk, in parts → a student that has learned them."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Config

from ..annotate.places import InputFile, find_files
from ..annotate.records import find_fault
from ..annotate.rows import parse_fields, read_file_rows
from ..corpus.docbin import GroupCorpus
from ..files import hash_file, replaced_files
from ..moves import recover_files
from ..progress import ShowProgress, hide_progress
from ..read.sentence import count_things
from ..train.train import train
from .targets import Teacher, agree_on_tags, teach

PART = 2_000
"""Docs of one part: what is lost if the process is killed."""
_STATE = "targets.json"


def train_student(
    teachers: Sequence[Teacher],
    config: Config,
    output: Path,
    *,
    gold: Path | None = None,
    texts: Sequence[Path] = (),
    gold_weight: float = 0.5,
    agreement: float = 0.0,
    use_gpu: int = -1,
    progress: ShowProgress = hide_progress,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train a pipeline on what other pipelines believe of gold docs and of further texts.

    The targets are written to output/targets once, in parts, and a run that was stopped
    continues with the next part. Then the config is trained on them, with `paths.train` set
    to that folder, and resumed in the same way.

    teachers (Sequence[Teacher]): Pipelines with the same labels.
    config (Config): The student's config, not interpolated.
    output (Path): The output folder.
    gold (Path | None): Gold docs (`.spacy`).
    texts (Sequence[Path]): Unlabelled texts, in the field "text" of the files, folders and
        globs that `annotate` reads.
    gold_weight (float): Weight of the gold annotation, from 0 to 1; the teachers have the rest.
    agreement (float): Leave out texts on which a smaller share of the teachers agrees with
        what all of them find on average.
    use_gpu (int): The number of the GPU; -1 for the CPU.
    progress (ShowProgress): Watches the teachers.
    stdout (IO): The stream for messages and the log.
    stderr (IO): The stream for the progress bar.
    RETURNS (Language): The student, with the weights of the last step.
    RAISES (ValueError): If the teachers differ, a file cannot be read, no text is left, the
        config does not use `${paths.train}`, or output/targets holds those of something else.
    """
    if not teachers or not (gold or texts):
        raise ValueError("Expected at least one teacher, and gold docs or texts to teach.")
    if "${paths.train}" not in config.to_str(interpolate=False):
        raise ValueError(
            "The config does not use ${paths.train}, so the student could not learn from the "
            "targets. Write it as the `path` of [corpora.train]."
        )
    nlp = teachers[0].nlp
    tag_set = agree_on_tags(teachers)
    folder = output / "targets"
    files = find_files(texts) if texts else []
    state = {
        "gold": hash_file(gold) if gold else None,
        "texts": [[file.name, hash_file(Path(file.location))] for file in files],
        "teachers": [hash_teacher(teacher) for teacher in teachers],
        "tags": list(tag_set.tags),
        "gold_weight": gold_weight,
        "agreement": agreement,
    }
    start_targets(folder, state)
    examples = chain(
        read_gold(gold, nlp) if gold else (), *(read_texts_to_teach(file, nlp) for file in files)
    )
    rest = iter(progress(examples, text="Teaching"))
    number = n_read = n_kept = 0
    while batch := list(islice(rest, PART)):
        number += 1
        path = folder / f"part-{number:05}.spacy"
        if not path.exists():
            docs = teach(teachers, batch, tag_set, gold_weight=gold_weight, agreement=agreement)
            write_part(docs, path)
        n_read += len(batch)
        n_kept += len(DocBin().from_disk(path))
    left_out = f"{n_read - n_kept:,} of {count_things(n_read, 'text')} left out: "
    left_out += "empty, or fewer teachers agree on them than `agreement` says"
    if not n_kept:
        raise ValueError(
            f"Nothing to teach ({left_out}). Remove {folder}, and give other texts, or set a lower "
            "`agreement`."
        )
    if n_kept < n_read:
        stdout.write(f"{left_out}.\n")
    ours = config.copy()
    ours["paths"]["train"] = str(folder)
    set_labels(ours, teachers[0].labels)
    return train(ours, output, use_gpu=use_gpu, auto_resume=True, stdout=stdout, stderr=stderr)


def set_labels(config: Config, labels: Sequence[str]) -> None:
    """Let each `bert_ner` of a config begin with some labels, whatever the targets hold.

    config (Config): The config, which is changed.
    labels (Sequence[str]): The labels: a teacher may know some that it finds in no text.
    """
    known = config.setdefault("initialize", {}).setdefault("components", {})
    for name, block in config["components"].items():
        if block.get("factory") == "bert_ner":
            known.setdefault(name, {}).setdefault("labels", list(labels))


def start_targets(folder: Path, state: dict) -> None:
    """Start a folder of targets, or check that it was started for the same ones.

    folder (Path): The folder.
    state (Dict[str, Any]): What the targets depend on.
    RAISES (ValueError): If it holds the targets of something else.
    """
    path = folder / _STATE
    recover_files(folder)
    if path.exists():
        if json.loads(path.read_text(encoding="utf8")) == state:
            return
        raise ValueError(
            f"{folder} holds the targets of other teachers, texts or settings. Choose another "
            "output folder, or remove it."
        )
    if folder.exists() and any(not item.name.startswith(".") for item in folder.iterdir()):
        raise ValueError(f"{folder} is not empty, expected an empty folder or none.")
    with replaced_files(folder) as aside:
        (aside / path.name).write_text(json.dumps(state, indent=2), encoding="utf8")


def write_part(docs: Iterable[Doc], path: Path) -> None:
    """Write docs with their targets; the file is complete or not there."""
    with replaced_files(path.parent) as aside:
        DocBin(docs=docs, store_user_data=True).to_disk(aside / path.name)


def hash_teacher(teacher: Teacher) -> str:
    """Hash a teacher: its config and its weights."""
    return hashlib.sha256(teacher.nlp.to_bytes(exclude=["vocab", "tokenizer"])).hexdigest()


def read_gold(path: Path, nlp: Language) -> Iterator[Example]:
    """Read the sentences of gold docs.

    path (Path): The file (`.spacy`).
    nlp (Language): For its vocabulary.
    YIELDS (Example): Two docs with the same words.
    """
    yield from GroupCorpus(path, gold_preproc=True)(nlp)


def read_texts_to_teach(file: InputFile, nlp: Language) -> Iterator[Example]:
    """Read the texts of a file.

    file (InputFile): The file.
    nlp (Language): Its tokenizer splits the texts.
    YIELDS (Example): Twice the same doc, without annotation.
    RAISES (ValueError): If a record has no text.
    """
    for number, (_, row) in enumerate(read_file_rows(file), start=1):
        fields = parse_fields(file, row)
        text = fields.get("text") if isinstance(fields, dict) else None
        fault = find_fault(text, nlp.max_length) if isinstance(fields, dict) else fields
        if fault:
            raise ValueError(
                f'{file.name}, record {number}: {fault}. Texts are in the field "text", such as '
                '{"text": "Ada lives in London."}.'
            )
        if str(text).strip():
            doc = nlp.make_doc(str(text))
            yield Example(doc, doc)
