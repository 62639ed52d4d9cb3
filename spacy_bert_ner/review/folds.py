"""A corpus and a config → models that have each not seen one part of the corpus."""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from spacy.tokens import Doc, DocBin
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from spacy.vocab import Vocab
from thinc.api import Config

from ..convert.split import draw_parts
from ..corpus.docbin import read_docs
from ..files import hash_file, replaced_files
from ..train.train import train

_DONE = "done.json"


def draw_folds(docs: Sequence[Doc], n_folds: int, *, seed: int) -> list[int]:
    """Share out docs evenly, so that no sentence has a repeat in another fold.

    Docs that have a sentence in common share a fold; rare labels are shared out first.

    docs (Sequence[Doc]): The docs of a corpus.
    n_folds (int): Number of folds.
    seed (int): Seed of the draw.
    RETURNS (List[int]): Number of the fold of each doc.
    RAISES (ValueError): If there are fewer than 2 folds, or fewer groups of docs.
    """
    groups = group_docs(docs)
    n_groups = len(set(groups))
    if n_groups < 2:
        raise ValueError(
            f"{len(docs):,} docs, which all share sentences, expected at least 2 docs without a "
            "sentence in common: what a model judges must not be in what it learned. Remove "
            "repeats and short headings, or add data."
        )
    if not 2 <= n_folds <= n_groups:
        raise ValueError(
            f"`folds = {n_folds}`, expected a number from 2 to {n_groups}, the number of "
            "docs without a sentence in common."
        )
    labels = [sorted({ent.label_ for ent in doc.ents}) for doc in docs]
    return draw_parts(groups, [1 / n_folds] * n_folds, seed=seed, labels=labels)


def group_docs(docs: Sequence[Doc]) -> list[int]:
    """Number the groups of docs that have a sentence in common."""
    above = list(range(len(docs)))

    def find_top(i: int) -> int:
        while above[i] != i:
            above[i] = i = above[above[i]]
        return i

    first: dict[tuple[str, ...], int] = {}
    for i, doc in enumerate(docs):
        sents = doc.sents if doc.has_annotation("SENT_START") else [doc]
        for sent in sents:
            words = tuple(token.text for token in sent)
            above[find_top(i)] = find_top(first.setdefault(words, i))
    return [find_top(i) for i in range(len(docs))]


def train_folds(
    data: Path,
    config: Config,
    output: Path,
    *,
    folds: int = 5,
    seed: int = 0,
    use_gpu: int = -1,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> list[tuple[Path, list[int]]]:
    """Train one model for each fold, on all docs of the other folds.

    The fold itself is the dev set of its model: it calibrates the probabilities and chooses
    the best epoch, but no weight learns from it.

    data (Path): The corpus (`.spacy`).
    config (Config): The config, not interpolated.
    output (Path): The folder of the folds.
    folds (int): Number of folds.
    seed (int): Seed of the folds.
    use_gpu (int): The number of the GPU; -1 for the CPU.
    stdout (IO): The stream for messages and the log.
    stderr (IO): The stream for the progress bar.
    RETURNS (List[Tuple[Path, List[int]]]): The model of each fold, and the numbers of the
        docs that it has not seen.
    RAISES (ValueError): If the config reads other data than `paths.train` and `paths.dev`.
    """
    docs = list(read_docs(data, Vocab()))
    fold_of = draw_folds(docs, folds, seed=seed)
    trained = []
    for fold in range(folds):
        held = [i for i, number in enumerate(fold_of) if number == fold]
        seen = [i for i, number in enumerate(fold_of) if number != fold]
        stdout.write(f"Fold {fold + 1} of {folds}: {len(seen):,} docs to learn from\n")
        parts = {"train": [docs[i] for i in seen], "dev": [docs[i] for i in held]}
        folder = output / f"fold-{fold + 1}"
        model = train_part(config, parts, folder, use_gpu=use_gpu, stdout=stdout, stderr=stderr)
        trained.append((model, held))
    return trained


def train_part(
    config: Config,
    parts: Mapping[str, Sequence[Doc]],
    folder: Path,
    *,
    use_gpu: int = -1,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Path:
    """Train on some docs, unless that is done: a run that stopped is resumed.

    config (Config): The config, not interpolated.
    parts (Mapping[str, Sequence[Doc]]): The docs of "train" and "dev".
    folder (Path): Gets the docs and the model. What is there of other docs or another
        config is replaced.
    use_gpu (int): The number of the GPU; -1 for the CPU.
    stdout (IO): The stream for messages and the log.
    stderr (IO): The stream for the progress bar.
    RETURNS (Path): The best pipeline; that of the last step is not kept.
    RAISES (ValueError): If the config reads other data than `paths.train` and `paths.dev`.
    """
    check_paths(config)
    paths = {name: folder / f"{name}.spacy" for name in parts}
    with replaced_files(folder, force=True) as aside:
        for name, docs in parts.items():
            DocBin(docs=docs, store_user_data=True).to_disk(aside / paths[name].name)
    output, done = folder / "model", folder / _DONE
    state = {"config": hash_config(config), **{x: hash_file(paths[x]) for x in paths}}
    if done.exists():
        if json.loads(done.read_text(encoding="utf8")) == state:
            return output / DIR_MODEL_BEST
        done.unlink()
        shutil.rmtree(output)
    ours = config.copy()
    ours["paths"].update({name: str(path) for name, path in paths.items()})
    train(ours, output, use_gpu=use_gpu, auto_resume=True, stdout=stdout, stderr=stderr)
    shutil.rmtree(output / DIR_MODEL_LAST)
    with replaced_files(folder, force=True) as aside:
        (aside / _DONE).write_text(json.dumps(state), encoding="utf8")
    return output / DIR_MODEL_BEST


def check_paths(config: Config) -> None:
    """Refuse a config that would read other data than a part of the corpus.

    RAISES (ValueError): If it does not use `${paths.train}` and `${paths.dev}`.
    """
    text = config.to_str(interpolate=False)
    unused = [name for name in ("train", "dev") if f"${{paths.{name}}}" not in text]
    if unused:
        names = " and ".join(f"${{paths.{name}}}" for name in unused)
        raise ValueError(
            f"The config does not use {names}, so a model could not be trained on a part of the "
            "data. Write them as the `path` of [corpora.train] and [corpora.dev]."
        )


def hash_config(config: Config) -> str:
    """Hash a config without the paths of its data."""
    ours = config.copy()
    ours["paths"].update({"train": None, "dev": None})
    return hashlib.sha256(ours.to_str(interpolate=False).encode()).hexdigest()
