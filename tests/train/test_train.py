"""Training that can be stopped anywhere: the same weights, nothing lost."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.training.initialize import init_nlp
from spacy.training.loop import subdivide_batch
from spacy.training.loop import train as train_with_spacy
from spacy.util import load_config, registry
from support.runs import StopError, is_equal, make, read_weights, run, stop_at
from support.trainings import make_config, write_corpus

from spacy_bert_ner.corpus.batches import make_batch_by_pieces_v1
from spacy_bert_ner.manifest import verify
from spacy_bert_ner.train import loop
from spacy_bert_ner.train.log import read_log
from spacy_bert_ner.train.train import train

ADAM = {"training.optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.01}}
ACCUMULATING = {"training.optimizer.accumulate_batches": 2}
AVERAGING = {"training.optimizer.average_decay": 0.9}
RUNS = {"ours": {}, "adam": ADAM, "accumulating": ACCUMULATING, "averaging": AVERAGING}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    nlps = {name: run(folder, name, **overrides)[0] for name, overrides in RUNS.items()}
    saved = {name: spacy.load(folder / name / "model-last") for name in RUNS}
    return {name: (nlps[name], saved[name]) for name in RUNS}


def test_weights_are_those_of_spacy_train(tmp_path, unbroken):
    nlp = init_nlp(make(tmp_path))
    train_with_spacy(nlp, None, stdout=io.StringIO(), stderr=io.StringIO())
    assert is_equal(nlp, unbroken["ours"][0])


def test_averaged_weights_are_those_that_spacy_train_saves(tmp_path, unbroken):
    (tmp_path / "out").mkdir()
    nlp = init_nlp(make(tmp_path, **AVERAGING))
    train_with_spacy(nlp, tmp_path / "out", stdout=io.StringIO(), stderr=io.StringIO())
    trained, saved = unbroken["averaging"]
    assert is_equal(nlp, trained)
    assert is_equal(spacy.load(tmp_path / "out" / "model-last"), saved)
    pairs = zip(read_weights(trained), read_weights(saved), strict=True)
    assert all((last != mean).any() for last, mean in pairs)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("step", [12, 20, 27])
def test_resumed_training_ends_with_the_same_weights(tmp_path, monkeypatch, unbroken, name, step):
    overrides = RUNS[name]
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(step, patch)
        run(tmp_path, **overrides)
    # Nothing of the process is left but the files.
    random.seed(99)
    torch.manual_seed(99)
    nlp, text = run(tmp_path, resume=True, **overrides)
    assert f"Continuing after step {9 * (step // 9) - (9 if step % 9 == 0 else 0)}" in text
    assert is_equal(nlp, unbroken[name][0])
    assert is_equal(spacy.load(tmp_path / "out" / "model-last"), unbroken[name][1])
    assert [r["step"] for r in read_log(tmp_path / "out" / "log.jsonl")] == [9, 18, 27]
    assert not (tmp_path / "out" / "checkpoint").exists()


def make_default(folder, encoder):
    """The default config, for the small corpus and a tiny encoder with its dropout."""
    write_corpus(folder)
    return load_config(
        Path(__file__).parents[2] / "configs" / "config.cfg",
        overrides={
            "paths.train": str(folder / "train.spacy"),
            "paths.dev": str(folder / "dev.spacy"),
            "paths.encoder": str(encoder),
            "training.max_epochs": 3,
            "training.batcher.sentences": 4,
            "components.transformer.model.window": 32,
        },
        interpolate=False,
    )


def test_resumed_training_of_the_default_config_ends_with_the_same_weights(
    tmp_path, monkeypatch, get_encoder
):
    config = make_default(tmp_path, get_encoder())
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    unbroken = train(config, tmp_path / "unbroken", **streams)
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(19, patch)
        train(config, tmp_path / "out", **streams)
    random.seed(99)
    torch.manual_seed(99)
    nlp = train(config, tmp_path / "out", resume=True, **streams)
    for name in ("transformer", "ner"):
        assert nlp.get_pipe(name).model.to_bytes() == unbroken.get_pipe(name).model.to_bytes()
    weights = [load(tmp_path / name / "model-best") for name in ("unbroken", "out")]
    assert weights[0] == weights[1]


def load(folder):
    """The saved weights and settings of a pipeline, by file."""
    paths = [path for path in sorted(folder.rglob("*")) if path.name in ("model", "cfg")]
    assert len(paths) >= 3
    return [path.read_bytes() for path in paths]


def test_stop_says_what_is_saved(tmp_path, monkeypatch):
    stop_at(12, monkeypatch)
    stdout = io.StringIO()
    with pytest.raises(StopError):
        train(make(tmp_path), tmp_path / "out", stdout=stdout, stderr=io.StringIO())
    text = " ".join(stdout.getvalue().split())
    assert "Stopped by StopError after step 12. The best score was" in text
    assert "at step 9, saved in" in text and "With `resume`, the run continues after step 9" in text
    spacy.load(tmp_path / "out" / "model-best")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("dropout", 1.0, "0 and less than 1"), ("accumulate_gradient", 0, "1")],
)
def test_numbers_outside_their_range_are_errors(tmp_path, name, value, expected):
    with pytest.raises(
        ValueError, match=f"`training.{name} = {value}`, expected at least {expected}"
    ):
        run(tmp_path, **{f"training.{name}": value})


def test_a_stop_before_the_first_step_says_so(tmp_path):
    write_corpus(tmp_path, n_dev=0)
    stdout = io.StringIO()
    with pytest.raises(ValueError, match="no docs with tokens"):
        train(make(tmp_path), tmp_path / "out", stdout=stdout, stderr=io.StringIO())
    text = " ".join(stdout.getvalue().split())
    assert "Stopped by ValueError before the first step. Nothing is saved in" in text


def test_nan_stops_and_the_best_model_stays(tmp_path, monkeypatch):
    update = loop.Training._update

    def spoil(self, *args):
        if self.progress.step == 15:
            node = next(n for n in self.nlp.get_pipe("ner").model.walk() if n.has_param("E"))
            node.set_param("E", node.get_param("E") * np.nan)
        update(self, *args)

    monkeypatch.setattr(loop.Training, "_update", spoil)
    stdout = io.StringIO()
    with pytest.raises(ValueError, match="expected a finite number"):
        train(make(tmp_path), tmp_path / "out", stdout=stdout, stderr=io.StringIO())
    assert "after step 15. The best score was" in " ".join(stdout.getvalue().split())
    nlp = spacy.load(tmp_path / "out" / "model-best")
    assert all(np.isfinite(array).all() for array in read_weights(nlp))


def test_patience_ends_the_training(tmp_path):
    overrides = {"initialize.after_init.patience": 1, "training.max_epochs": 20}
    run(tmp_path, **overrides)
    records = read_log(tmp_path / "out" / "log.jsonl")
    scores = [record["score"] for record in records]
    assert len(records) < 20
    assert scores.index(max(scores)) == len(scores) - 2


def test_last_step_is_evaluated_whatever_the_frequency(tmp_path):
    run(tmp_path, **{"training.eval_frequency": 20})
    assert [r["step"] for r in read_log(tmp_path / "out" / "log.jsonl")] == [20, 29]
    for name in ("model-best", "model-last"):
        assert verify(tmp_path / "out" / name) > 5


def test_rerun_keeps_the_earlier_result(tmp_path):
    run(tmp_path)
    before = (tmp_path / "out" / "model-best" / "ner" / "model").read_bytes()
    _, text = run(tmp_path, **{"training.seed": 4})
    assert "The earlier result is now in" in text
    kept = tmp_path / "out" / "before-1"
    assert (kept / "model-best" / "ner" / "model").read_bytes() == before
    assert (kept / "log.jsonl").exists() and (kept / "model-last").exists()
    assert (tmp_path / "out" / "model-best" / "ner" / "model").read_bytes() != before


def test_resume_without_checkpoint_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="expected the checkpoint of a run that stopped"):
        run(tmp_path, resume=True)


def test_resume_with_another_config_is_an_error(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(12, patch)
        run(tmp_path)
    with pytest.raises(
        ValueError, match=r"training.dropout was 0.1 and is 0.3.*Restore it, or start"
    ):
        run(tmp_path, resume=True, **{"training.dropout": 0.3})


@registry.batchers("tests.parts.v1")
def make_parts():
    """Make the batches of four as the two parts that `accumulate_gradient = 2` cuts."""
    batcher = make_batch_by_pieces_v1(sentences=4, pool=0)

    def cut(examples):
        for batch in batcher(examples):
            yield from subdivide_batch(batch, 2)

    return cut


@pytest.mark.parametrize("loop", ["ours", "spacy"])
def test_parts_of_a_batch_make_the_step_of_as_many_batches(tmp_path, loop):
    optimizer = {"@optimizers": "spacy-bert-ner.AdamW.v1", "learn_rate": 0.01}
    steps = {"training.max_steps": 9, "training.eval_frequency": 9}
    parts = {"training.accumulate_gradient": 2, "training.batcher.pool": 0}
    parts |= {"training.optimizer": optimizer}
    if loop == "ours":
        nlp, _ = run(tmp_path, "parts", **steps, **parts)
    else:
        nlp = init_nlp(make(tmp_path, **steps, **parts))
        train_with_spacy(nlp, None, stdout=io.StringIO(), stderr=io.StringIO())
    config = make(tmp_path, **{"training.max_steps": 19, "training.eval_frequency": 19})
    config["training"]["batcher"] = {"@batchers": "tests.parts.v1"}
    config["training"]["optimizer"] = {**optimizer, "accumulate_batches": 2}
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    other = train(config, tmp_path / "batches", **streams)
    pairs = zip(read_weights(nlp), read_weights(other), strict=True)
    assert all(np.allclose(a, b, atol=1e-7) for a, b in pairs)
    start = init_nlp(make(tmp_path))
    assert not is_equal(nlp, start)


@pytest.mark.parametrize("name", ["train", "dev"])
def test_a_file_that_spacy_s_own_reader_cannot_read_is_named(tmp_path, name):
    write_corpus(tmp_path)
    config = make_config(tmp_path)
    config["corpora"][name]["@readers"] = "spacy.Corpus.v1"
    path = tmp_path / f"{name}.spacy"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=rf"{name}\.spacy: cannot be read as a DocBin \(\[E1014"):
        train(config, tmp_path / "out")
