"""Build a model's and the plugin's wheel twice, check them, and try them where nothing else is."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from wasabi import msg

from spacy_bert_ner.cli._app import run_script
from spacy_bert_ner.files import hash_file
from spacy_bert_ner.manifest import verify
from spacy_bert_ner.package.meta import read_model_meta
from spacy_bert_ner.package.trial import (
    TEXTS,
    Trial,
    find_scored_entities,
    make_environments,
    try_wheels,
)
from spacy_bert_ner.package.wheels import build_model_wheel, build_plugin_wheel


def main(
    model: Path,
    output: Path,
    report: Path,
    *,
    name: str = "kaggle_ner",
    version: str = "0.1.0",
    scores: Path = Path("metrics/report/metrics.json"),
    lock: Path = Path("assets/encoder/encoder.lock.json"),
    data: Path = Path("assets/kaggle/source.json"),
    precision: str = "full",
    corpus: Path | None = None,
    torch: str = "",
) -> None:
    """Exit with an error unless wheels are the same twice, and installed find what MODEL finds.

    CORPUS (.spacy) is compared, too, before and after packaging. With TORCH, its version
    is used in all environments, in place of the oldest and the newest.
    """
    meta = read_model_meta(scores=scores, lock=lock, data=data)
    if output.exists():
        shutil.rmtree(output)
    options = {"name": name, "version": version, "meta": meta, "precision": precision}
    wheels = build_twice(model, output, options)
    (package,) = (path for path in output.glob(f"*_{name}-{version}") if path.is_dir())
    folder = package / package.name.rpartition("-")[0] / package.name
    msg.good(f"{verify(folder)} files of {folder} are as the manifest says")
    before, after = spacy.load(model), spacy.load(folder)
    n_docs, n_same = compare_corpus(before, after, corpus)
    msg.info(f"{n_same:,} of {n_docs:,} docs have the same entities before and after packaging")
    trials = try_everywhere(wheels, after, folder.name.rpartition("-")[0], torch or None)
    result = {
        "model": str(model),
        "precision": precision,
        "wheels": {
            wheel.name: {"sha256": hash_file(wheel), "bytes": wheel.stat().st_size}
            for wheel in wheels
        },
        "docs": n_docs,
        "docs_with_same_entities": n_same,
        "environments": [trial._asdict() for trial in trials],
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")
    if precision == "full" and n_same != n_docs:
        msg.fail(f"Packaging changed the entities of {n_docs - n_same} docs.", exits=1)
    if any(trial.was_tried and trial.failure for trial in trials):
        msg.fail("The installed model does not find the same everywhere, see above.", exits=1)
    if not any(trial.was_tried for trial in trials):
        msg.fail("No environment could be made, see above: nothing was tried.", exits=1)


def build_twice(model: Path, output: Path, options: dict[str, Any]) -> list[Path]:
    """Build both wheels in two places, and stop unless their bytes are the same.

    model (Path): The trained pipeline.
    output (Path): Where the first ones stay.
    options (Dict[str, Any]): As `build_model_wheel` takes them.
    RETURNS (List[Path]): The wheels of the plugin and of the model.
    """
    with tempfile.TemporaryDirectory(prefix="again-") as tmp:
        pairs = [
            [build_plugin_wheel(Path(), place), build_model_wheel(model, place, **options)]
            for place in (output, Path(tmp))
        ]
        for one, other in zip(*pairs, strict=True):
            hashes = [hash_file(wheel) for wheel in (one, other)]
            if hashes[0] != hashes[1]:
                msg.fail(f"{one.name}: two builds differ ({' and '.join(hashes)}).", exits=1)
            size = one.stat().st_size / 1e6
            msg.good(f"{one.name}: {size:.1f} MB, twice the same, sha256 {hashes[0]}")
    return pairs[0]


def compare_corpus(before: Language, after: Language, corpus: Path | None) -> tuple[int, int]:
    """Compare the entities of two pipelines on the words of a corpus.

    before, after (Language): The pipelines.
    corpus (Path | None): Docs (.spacy); the three texts if there are none.
    RETURNS (Tuple[int, int]): How many docs, and how many have the same entities.
    """
    if corpus is None:
        texts = [list(nlp.pipe(TEXTS)) for nlp in (before, after)]
    else:
        gold = list(DocBin().from_disk(corpus).get_docs(before.vocab))
        texts = [list(nlp.pipe(copy_words(nlp, gold))) for nlp in (before, after)]
    found = [[[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs] for docs in texts]
    return len(found[0]), sum(one == other for one, other in zip(*found, strict=True))


def copy_words(nlp: Language, docs: list[spacy.tokens.Doc]) -> list[spacy.tokens.Doc]:
    """Give docs with the same words and blanks, and nothing else."""
    return [
        spacy.tokens.Doc(
            nlp.vocab, words=[t.text for t in d], spaces=[bool(t.whitespace_) for t in d]
        )
        for d in docs
    ]


def try_everywhere(wheels: list[Path], nlp: Language, name: str, torch: str | None) -> list[Trial]:
    """Try the wheels in all environments, and print a line for each.

    wheels (List[Path]): The wheels.
    nlp (Language): The packaged pipeline, loaded here.
    name (str): The model's package.
    torch (str | None): A version of torch to hold all of them to.
    RETURNS (List[Trial]): How they went.
    """
    expected = find_scored_entities(nlp, TEXTS)
    trials = []
    for environment, pins in make_environments(torch=torch).items():
        msg.text(f"{environment}: installing with {', '.join(pins) or 'no pins'}")
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="release-") as tmp:
            trial = try_wheels(
                Path(tmp).resolve(),
                wheels,
                name=name,
                environment=environment,
                pins=pins,
                texts=TEXTS,
                expected=expected,
            )
        trials.append(trial)
        versions = ", ".join(f"{dist} {found}" for dist, found in trial.versions.items())
        seconds = f"{time.perf_counter() - start:.0f} s with installing"
        if not trial.was_tried:
            msg.warn(f"{environment}: could not be tried, {trial.failure}")
        elif trial.failure:
            msg.fail(f"{environment}: {trial.failure} ({versions})")
        else:
            msg.good(
                f"{environment}: same entities and scores, {trial.n_files} files as written, loads "
                f"in {trial.load_s:.2f} s ({versions}; {seconds})"
            )
    return trials


if __name__ == "__main__":
    run_script(main)
