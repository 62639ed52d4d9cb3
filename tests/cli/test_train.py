"""The commands `train` and `plot` as a user calls them."""

import os
import signal
import subprocess
import sys

import pytest
import spacy
from support import samples
from support.commands import run
from support.trainings import make_config, write_corpus

from spacy_bert_ner.cli import train
from spacy_bert_ner.machine import WAIT_SETTINGS
from spacy_bert_ner.train import loop


@pytest.fixture
def config(tmp_path):
    write_corpus(tmp_path)
    config = make_config(tmp_path)
    config["training"]["logger"]["@loggers"] = "spacy-bert-ner.Logger.v1"
    config.to_disk(tmp_path / "config.cfg")
    return tmp_path / "config.cfg"


def test_train_and_plot(tmp_path, config):
    code, output = run("train", config, "--output", tmp_path / "out", "--training.max_epochs", "2")
    assert code == 0, output
    assert "Saved the best pipeline in" in output
    nlp = spacy.load(tmp_path / "out" / "model-best")
    # Two evaluations in two epochs of ten batches; the first step is 0.
    assert nlp.config["training"]["max_steps"] == 18
    code, output = run("plot", tmp_path / "out" / "log.jsonl", tmp_path / "plots")
    assert code == 0 and "learning_curve.svg" in output
    assert (tmp_path / "plots" / "learning_curve.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--resume"], "expected the checkpoint of a run that stopped"),
        (["--gpu-id", "99"], "GPU 99 was asked for"),
        (["--training.max_epochs", "0"], "Found `max_epochs = 0` and `max_steps = 0`"),
        (["--training.optimizer.no_such_setting", "1"], "no_such_setting"),
    ],
)
def test_train_says_what_is_wrong(tmp_path, config, flags, message):
    code, output = run("train", config, "--output", tmp_path / "out", *flags)
    assert code == 1
    assert message in output


def test_auto_resume_starts_where_there_is_nothing_to_resume(tmp_path, config):
    flags = ["--output", tmp_path / "out", "--auto-resume", "--training.max_epochs", "1"]
    for _ in range(2):
        code, output = run("train", config, *flags)
        assert code == 0, output
    assert "The earlier result is now in" in output


def test_sigterm_ends_a_run_with_a_message_and_it_can_be_resumed(tmp_path, config, monkeypatch):
    update = loop.Training._update

    def terminate(self, *args):
        if self.progress.step == 12:
            os.kill(os.getpid(), signal.SIGTERM)
        update(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "_update", terminate)
        code, output = run("train", config, "--output", tmp_path / "out")
    assert code == 128 + signal.SIGTERM
    assert "after step 12. The best score was" in output
    assert "With `resume`, the run continues after step 12" in output
    assert "Stopped by SIGTERM." in output
    code, output = run("train", config, "--output", tmp_path / "out", "--resume")
    assert code == 0 and "Continuing after step 12" in output


@pytest.mark.parametrize("path", ["${paths.train}", "literal"])
def test_a_path_reaches_a_reader_with_groups_or_is_reported(tmp_path, config, path):
    (tmp_path / "a.conll").write_text(samples.columns())
    text = config.read_text()
    reader = f'"spacy-bert-ner.Corpus.v1"\npath = {path}\ngroup = "document"'
    old = '"spacy-bert-ner.KeptCorpus.v1"\npath = ${paths.train}'
    assert old in text
    config.write_text(text.replace(old, reader.replace("literal", f'"{tmp_path / "a.conll"}"')))
    given = tmp_path / "given.conll"
    given.write_text(samples.columns().replace("Anna", "Eva"))
    flags = ["--output", tmp_path / "out", "--training.max_epochs", "1", "--paths.train", given]
    code, output = run("train", config, *flags)
    assert code == 0, output
    is_read = "Eva" in (tmp_path / "out/model-last/vocab/strings.json").read_text()
    assert is_read == (path != "literal")
    assert ("--paths.train changes nothing" in output) == (path == "literal")


def test_plot_says_what_is_wrong(tmp_path):
    code, output = run("plot", tmp_path / "log.jsonl", tmp_path)
    assert code == 1 and "no such file, expected the log of a training run" in output
    (tmp_path / "log.jsonl").write_bytes(b"\x82\xff")
    code, output = run("plot", tmp_path / "log.jsonl", tmp_path)
    assert code == 1 and "log.jsonl: not text in UTF-8, expected the log" in output


@pytest.mark.skipif(os.name != "posix", reason="a process can't be replaced here")
def test_threads_of_a_training_run_sleep(tmp_path, config):
    (tmp_path / "code.py").write_text(
        "import os, sys\nprint(os.environ.get('OMP_WAIT_POLICY'), os.environ['OMP_NUM_THREADS'])\n"
        "sys.exit(len(sys.argv))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in WAIT_SETTINGS}
    command = [sys.executable, "-m", "spacy", "bert-ner", "train", config, "-o", tmp_path / "a b"]
    result = subprocess.run(
        [*command, "--code", tmp_path / "code.py"],
        env={**environment, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split("\n")[:2] == ["PASSIVE 2", ""], result.stderr
    assert result.returncode == len(command) - 2 + 2


def test_a_caller_s_process_is_not_replaced(monkeypatch):
    monkeypatch.setattr(os, "execve", None)
    monkeypatch.setattr(train, "has_active_threads", lambda: True)
    train.wait_passively()
