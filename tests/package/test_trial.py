"""Releases are tried where nothing else is installed; commands say what they did."""

import subprocess
import venv
from pathlib import Path

import pytest
import spacy
from support.commands import run
from support.heads import build_head
from support.indexes import BUILD_HERE, use_index
from support.listening import TEXTS, make_nlp

from spacy_bert_ner.package.trial import (
    compare_entities,
    find_scored_entities,
    make_environments,
    try_wheels,
)
from spacy_bert_ner.package.wheels import build_model_wheel, build_plugin_wheel

ENTS = [[(0, 4, "PER", 0.9)], []]


def test_environments_hold_the_oldest_versions_of_setup_cfg():
    environments = make_environments()
    assert environments["oldest"] == ["spacy==3.8.7", "spacy-transformers==1.4.0", "torch==2.10"]
    assert environments["newest"] == []
    environments = make_environments(torch="2.13.0")
    assert environments["oldest"][-1] == "torch==2.13.0"
    assert len(environments["oldest"]) == 3
    assert environments["newest"] == ["torch==2.13.0"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (ENTS, ""),
        ([[[0, 4, "PER", 0.90001]], []], ""),
        ([[[0, 4, "PER", None]], []], "text 0: PER has the score 0.000000, expected 0.900000"),
        ([[[0, 4, "PER", 0.8]], []], "text 0: PER has the score 0.800000, expected 0.900000"),
        ([[[0, 4, "LOC", 0.9]], []], "text 0: found"),
        ([[[0, 4, "PER", 0.9]], [[0, 1, "PER", 0.5]]], "text 1: found"),
    ],
)
def test_entities_and_scores_are_compared(found, reason):
    assert compare_entities(ENTS, found).startswith(reason)
    assert bool(compare_entities(ENTS, found)) == bool(reason)
    assert compare_entities([[(0, 4, "RULE", None)]], [[[0, 4, "RULE", None]]]) == ""


def test_an_environment_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    use_index(monkeypatch, tmp_path)
    trial = try_wheels(
        tmp_path,
        [],
        name="en_tiny",
        environment="oldest",
        pins=["torch==1"],
        texts=[],
        expected=[],
    )
    assert not trial.was_tried
    assert "not installed: ERROR: No matching distribution found for torch==1" in trial.failure


def test_an_environment_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    def create(folder, with_pip):
        lines = b"Traceback (most recent call last):\nOSError: [Errno 28] No space left on device\n"
        raise subprocess.CalledProcessError(1, ["ensurepip"], output=lines)

    monkeypatch.setattr(venv, "create", create)
    with pytest.raises(OSError, match=r"env: Python could not .*No space left.*set TMPDIR"):
        try_wheels(tmp_path, [], name="x", environment="new", pins=[], texts=[], expected=[])


def test_commands_take_a_checkpoint_in_check_it_and_write_it_out(tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint")
    code, output = run("from-hf", folder, tmp_path / "model", "--scheme", "IOB2")
    assert code == 0, output
    assert "2 labels (PER, LOC), tags read as IOB2" in output
    assert "model.train.cfg" in output
    code, output = run("verify", tmp_path / "model")
    assert code == 0
    assert "files as written, versions fit" in output
    (tmp_path / "model/tokenizer").write_bytes(b"")
    code, output = run("verify", tmp_path / "model")
    assert code == 1
    assert "tokenizer has 0 bytes" in output
    code, output = run("from-hf", folder, tmp_path / "model", "--scheme", "IOB2", "--force")
    code, output = run("to-hf", tmp_path / "model", tmp_path / "out")
    assert code == 0, output
    assert "5 tags (O, B-PER, I-PER, B-LOC, I-LOC)" in output
    assert "valid" in output
    code, output = run("from-hf", tmp_path / "nothing", tmp_path / "other")
    assert code == 1
    assert "nothing': no such folder" in output


def test_verify_writes_a_manifest_on_request(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "model")
    assert run("verify", tmp_path / "model")[0] == 1
    assert run("verify", tmp_path / "model", "--write")[0] == 0
    assert run("verify", tmp_path / "model")[0] == 0
    assert Path(tmp_path / "model/manifest.json").is_file()


@pytest.mark.slow
def test_wheels_are_installed_without_an_index_and_find_the_same(
    get_encoder, tmp_path, monkeypatch
):
    [monkeypatch.setenv(*item) for item in BUILD_HERE.items()]
    nlp = make_nlp(get_encoder(), n_steps=8)
    nlp.to_disk(tmp_path / "model")
    plugin = build_plugin_wheel(Path(__file__).parents[2], tmp_path)
    wheel = build_model_wheel(tmp_path / "model", tmp_path, name="tiny", version="1.0", meta={})
    options = {
        "name": "en_tiny",
        "environment": "borrowed",
        "pins": [],
        "texts": TEXTS[:4],
        "expected": find_scored_entities(nlp, TEXTS[:4]),
        "borrow": True,
    }
    (tmp_path / "one").mkdir()
    trial = try_wheels(tmp_path / "one", [plugin, wheel], **options)
    assert (trial.failure, trial.was_tried) == ("", True)
    assert trial.n_files > 5 and trial.versions["spacy"] == spacy.__version__
    options["expected"] = [[(0, 1, "PER", 0.5)], [], [], []]
    (tmp_path / "two").mkdir()
    assert "text 0: found" in try_wheels(tmp_path / "two", [plugin, wheel], **options).failure
