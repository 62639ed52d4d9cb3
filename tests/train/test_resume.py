"""A training run that is stopped, damaged or changed: resumed, it equals an unbroken one."""

import json
import random
import shutil
import signal
import time

import pytest
import spacy
import torch
from support.kills import fork
from support.listening import make_nlp
from support.runs import StopError, is_equal, read_rows, run, stop_at
from support.trainings import write_corpus

from spacy_bert_ner.train import logger, loop
from spacy_bert_ner.train import train as train_module
from spacy_bert_ner.train.log import DivergedError
from spacy_bert_ner.train.state import read_scalers, write_scalers

# Step 24 is a batch of the pending half step: batches are counted from 1.
PENDING = {"training.optimizer.accumulate_batches": 2, "training.eval_frequency": 8}
PATIENT = {"initialize.after_init.patience": 1, "training.max_epochs": 20}
ENDLESS = {"training.max_epochs": -1, "training.max_steps": 25, "training.eval_frequency": 7}
RUNS = {"plain": {}, "pending": PENDING, "patience": PATIENT, "streamed": ENDLESS}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    found = {}
    for name, overrides in RUNS.items():
        nlp, _ = run(folder, name, **overrides)
        found[name] = nlp, read_rows(folder / name / "log.jsonl"), folder / name
    return found


def forget():
    """Leave nothing of the process but the files."""
    random.seed(99)
    torch.manual_seed(99)


def assert_same(folder, nlp, unbroken):
    other, rows, kept = unbroken
    assert is_equal(nlp, other)
    assert read_rows(folder / "log.jsonl") == rows
    for name in ("model-best", "model-last"):
        assert is_equal(spacy.load(folder / name), spacy.load(kept / name))
        files = [(part / name / "meta.json").read_text() for part in (folder, kept)]
        assert files[0] == files[1]
    assert not (folder / "checkpoint").exists()


def stop_in_saving(name, monkeypatch, module=loop, *, nth=1):
    """Stop where a certain folder is put into its place, for the nth time."""
    replaced_folder, seen = module.replaced_folder, []

    def stop(path, record):
        if path.name == name:
            seen.append(path)
            if len(seen) == nth:
                raise StopError
        return replaced_folder(path, record=record)

    monkeypatch.setattr(module, "replaced_folder", stop)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("plain", "model-best"),
        ("plain", "checkpoint"),
        ("plain", "model-last"),
        ("pending", "checkpoint"),
        ("pending", "model-last"),
        ("patience", "model-last"),
        ("streamed", "checkpoint"),
    ],
)
def test_a_run_stopped_while_it_saves_ends_as_an_unbroken_one(
    tmp_path, monkeypatch, unbroken, name, at
):
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_in_saving(
            at, patch, train_module if at == "model-last" else loop, nth=1 + (at == "checkpoint")
        )
        run(tmp_path, **RUNS[name])
    forget()
    is_begun = (tmp_path / "out" / "checkpoint").exists()
    nlp, _ = run(tmp_path, resume=is_begun, **RUNS[name])
    assert is_begun == (at != "model-best")
    assert_same(tmp_path / "out", nlp, unbroken[name])


@pytest.mark.parametrize("torn", ["", '{"epoch": 1, "st'])
def test_a_line_that_was_cut_or_lost_is_written_again(tmp_path, monkeypatch, unbroken, torn):
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(20, patch)
        run(tmp_path)
    log = tmp_path / "out" / "log.jsonl"
    log.write_text(log.read_text() + torn)
    nlp, _ = run(tmp_path, resume=True)
    assert_same(tmp_path / "out", nlp, unbroken["plain"])


@pytest.mark.parametrize(
    ("file", "damage"),
    [("optimizer", "cut"), ("progress.json", "delete"), ("model/ner/model", "flip")],
)
def test_a_damaged_checkpoint_is_named(tmp_path, monkeypatch, file, damage):
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(12, patch)
        run(tmp_path)
    path = tmp_path / "out" / "checkpoint" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flip" else data[: len(data) // 2])
    with pytest.raises(ValueError, match=rf"checkpoint is damaged.*{file}.*start a new run"):
        run(tmp_path, resume=True)
    _, text = run(tmp_path, auto_resume=True)
    assert "Starting a new run. The checkpoint is damaged" in " ".join(text.split())


@pytest.mark.parametrize("place", ["train.spacy", "folder/a.spacy"])
def test_a_run_does_not_go_on_with_other_data(tmp_path, monkeypatch, place):
    write_corpus(tmp_path)
    file = tmp_path / place
    settings = {}
    if file.parent != tmp_path:
        file.parent.mkdir()
        shutil.copy(tmp_path / "train.spacy", file)
        settings["corpora.train.path"] = str(file.parent)
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(12, patch)
        run(tmp_path, **settings)
    shutil.copy(tmp_path / "dev.spacy", file)
    with pytest.raises(ValueError, match=r"file of corpora.train has changed since"):
        run(tmp_path, resume=True, **settings)
    _, text = run(tmp_path, auto_resume=True, **settings)
    assert "Starting a new run" in text


def test_auto_resume_goes_on_or_starts(tmp_path, monkeypatch, unbroken):
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(12, patch)
        run(tmp_path, auto_resume=True)
    nlp, text = run(tmp_path, auto_resume=True)
    assert "Continuing after step 9" in text
    assert_same(tmp_path / "out", nlp, unbroken["plain"])


def interrupt_at(step, monkeypatch, *, times=1):
    """Send Ctrl-C in the middle of a step."""
    update = loop.Training._update

    def interrupt(self, *args):
        for _ in range(times if self.progress.step == step else 0):
            signal.raise_signal(signal.SIGINT)
        update(self, *args)

    monkeypatch.setattr(loop.Training, "_update", interrupt)


def read_step(folder):
    return json.loads((folder / "checkpoint" / "progress.json").read_text())["step"]


# Step 7 is before the first evaluation, 15 is the last one before the second evaluation.
@pytest.mark.parametrize(("name", "step"), [("plain", 7), ("pending", 15), ("streamed", 20)])
def test_ctrl_c_loses_no_step(tmp_path, monkeypatch, unbroken, name, step):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(step, patch)
        run(tmp_path, **RUNS[name])
    assert read_step(tmp_path / "out") == step
    forget()
    nlp, text = run(tmp_path, resume=True, **RUNS[name])
    assert f"Continuing after step {step}" in text
    assert_same(tmp_path / "out", nlp, unbroken[name])


def test_ctrl_c_while_it_evaluates_loses_no_step(tmp_path, monkeypatch, unbroken):
    make = loop.create_evaluation_callback

    def interrupt(nlp, *args):
        if (tmp_path / "out" / "checkpoint").exists():
            signal.raise_signal(signal.SIGINT)
        return make(nlp, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "create_evaluation_callback", interrupt)
        run(tmp_path)
    assert read_step(tmp_path / "out") == 18
    forget()
    nlp, _ = run(tmp_path, resume=True)
    assert_same(tmp_path / "out", nlp, unbroken["plain"])


def test_a_second_ctrl_c_ends_the_run_at_once(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(20, patch, times=2)
        run(tmp_path)
    assert read_step(tmp_path / "out") == 18


def test_what_the_logger_stops_is_not_resumed(tmp_path, monkeypatch):
    def collapse(record, best, *, n_gold):
        assert n_gold == 24
        if record["step"] == 18:
            raise DivergedError("fell to 0")

    monkeypatch.setattr(logger, "check_score", collapse)
    with pytest.raises(ValueError, match="fell to 0"):
        run(tmp_path)
    progress = json.loads((tmp_path / "out" / "checkpoint" / "progress.json").read_text())
    assert progress["step"] == 9
    assert spacy.load(tmp_path / "out" / "model-best").config["training"]


@pytest.mark.slow
def test_20_kills_at_random_moments(tmp_path):
    def start(output):
        return fork(run, tmp_path, output, auto_resume=True, **{"training.max_epochs": 4})

    seconds = []
    for output in ("first", "whole"):  # the first one imports much
        began = time.monotonic()
        start(output).join()
        seconds.append(time.monotonic() - began)
    whole = tmp_path / "whole"
    rng, n_kills, n_runs = random.Random(0), 0, 0
    while n_kills < 20:
        n_runs += 1
        process = start(f"out{n_runs}")
        while n_kills < 20:
            process.join(rng.uniform(0, min(seconds)))
            if not process.is_alive():
                break
            process.kill()
            process.join()
            n_kills += 1
            process = start(f"out{n_runs}")
        process.join()
        assert process.exitcode == 0
        resumed = tmp_path / f"out{n_runs}"
        assert read_rows(whole / "log.jsonl") == read_rows(resumed / "log.jsonl")
        for name in ("model-best", "model-last"):
            assert is_equal(spacy.load(whole / name), spacy.load(resumed / name))


def test_the_scale_of_float16_is_kept(get_encoder):
    nlps = [make_nlp(get_encoder(), n_steps=0) for _ in range(2)]
    for nlp in nlps:
        (shim,) = nlp.get_pipe("transformer").model.shims
        shim._grad_scaler._enabled = True  # float16 needs CUDA
    scaler = shim._grad_scaler
    (other,) = (s._grad_scaler for s in nlps[0].get_pipe("transformer").model.shims)
    other._scale.fill_(2.0**13)
    other._growth_tracker.fill_(77)
    write_scalers(nlps[1], json.loads(json.dumps(read_scalers(nlps[0]))))
    assert (scaler._scale.item(), scaler._growth_tracker.item()) == (2.0**13, 77)
    scaler._enabled = False
    assert read_scalers(nlps[1]) == {}
