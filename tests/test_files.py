"""Folders that are replaced whole: killed at any time, or on a full disk, a model loads."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import spacy
from support.kills import fork
from support.runs import run
from support.steps import run_until_killed, skip_sync
from support.trainings import make_config, write_corpus

from spacy_bert_ner.files import recover_folder, replaced_files, replaced_folder
from spacy_bert_ner.targets import read_record


class FaultError(Exception):
    """Stands for a fault while a folder is written."""


def test_folder_is_replaced_at_once(tmp_path):
    path = tmp_path / "model"
    for text in ("old", "new"):
        with replaced_folder(path, record="manifest.json") as folder:
            (folder / "file").write_text(text)
            assert text == "old" or (path / "file").read_text() == "old"
    assert (path / "file").read_text() == "new"
    with pytest.raises(FaultError), replaced_folder(path, record="manifest.json") as folder:
        (folder / "file").write_text("broken")
        raise FaultError
    assert (path / "file").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def replace(path):
    with replaced_folder(path, record="manifest.json") as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("new")


def test_killed_at_each_step_the_old_or_the_new_folder_is_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", skip_sync)
    outcomes = []
    while True:
        path = tmp_path / str(len(outcomes)) / "model"
        path.mkdir(parents=True)
        (path / "manifest.json").write_text('{"files": {"a": {}, "b": {}}}')
        for name in ("a", "b", "of the user"):
            (path / name).write_text("old")
        is_killed = run_until_killed(partial(replace, path), len(outcomes))
        was_absent = not path.exists()
        recover_folder(path)
        found = {name: (path / name).read_text() for name in ("a", "b", "of the user")}
        assert found.pop("of the user") == "old"
        assert set(found.values()) in ({"old"}, {"new"})
        outcomes.append((found["a"], was_absent))
        with replaced_folder(path, record="manifest.json") as folder:
            (folder / "a").write_text("newer")
        assert [item.name for item in path.parent.iterdir()] == ["model"]
        assert (path / "a").read_text() == "newer"
        if not is_killed:
            break
    # Each of the three states was met: before, between the two renames, after.
    assert {("old", False), ("new", True), ("new", False)} == set(outcomes)


def test_a_fault_in_the_second_rename_brings_the_old_folder_back(tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.mkdir()
    (path / "file").write_text("old")
    rename = Path.rename

    def fail(self, target):
        if self.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with (
        pytest.raises(OSError, match="Input/output error"),
        replaced_folder(path, record="manifest.json") as folder,
    ):
        (folder / "file").write_text("new")
    assert (path / "file").read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_only_what_the_record_lists_is_removed(tmp_path):
    path = tmp_path / "model"
    (path / "sub" / "empty").mkdir(parents=True)
    (path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("old", "sub/old", "notes", "sub/notes"):
        (path / name).write_text(name)
    (path / "manifest.json").write_text('{"files": {"old": {}, "sub/old": {}, "gone": {}}}')
    with replaced_folder(path, record="manifest.json") as folder:
        (folder / "new").write_text("new")
    names = {item.relative_to(path).as_posix() for item in path.rglob("*")}
    assert names == {"new", "notes", "sub", "sub/notes", "sub/empty", "link"}
    assert (path / "sub/notes").read_text() == "sub/notes" and (path / "link").is_symlink()


def test_a_folder_behind_a_link_is_replaced_where_it_is(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "model").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
    with replaced_folder(tmp_path / "link", record="manifest.json") as folder:
        (folder / "file").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "model" / "file").read_text() == "new"


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{", '{"files": 3}', '{"parts": {"a": {}}}', '{"parts": []}', '"text"', "\xff"],
)
def test_a_record_that_cannot_be_read_lists_nothing(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="latin-1")
    assert read_record(tmp_path / "manifest.json") == set()


def test_records_list_what_was_written(tmp_path):
    (tmp_path / "report.json").write_text('{"parts": {"a": {"path": "x/a.spacy"}}}')
    expected = {"a.spacy", "report.json", "report.md", "report.png"}
    assert read_record(tmp_path / "report.json") == expected
    (tmp_path / "encoder.lock.json").write_text('{"sha256": {"config.json": "0"}}')
    assert read_record(tmp_path / "encoder.lock.json") == {"config.json", "encoder.lock.json"}


def test_files_are_moved_when_all_are_whole(tmp_path):
    (tmp_path / "report.json").write_text('{"parts": {"a": {"path": "a"}, "b": {"path": "../b"}}}')
    for name in ("a", "mine"):
        (tmp_path / name).write_text("old")
    outside = tmp_path.parent / "b"
    outside.write_text("old")
    with (
        pytest.raises(FileExistsError, match=r"report.json exists"),
        replaced_files(tmp_path, record="report.json") as folder,
    ):
        (folder / "report.json").write_text("{}")
    with pytest.raises(FaultError), replaced_files(tmp_path, force=True) as folder:
        (folder / "a").write_text("half")
        raise FaultError
    assert (tmp_path / "a").read_text() == "old"
    with replaced_files(tmp_path, force=True, record="report.json") as folder:
        (folder / "report.json").write_text("{}")
    assert {item.name for item in tmp_path.iterdir()} == {"mine", "report.json"}
    assert outside.exists()


def test_a_fault_leaves_no_new_folder(tmp_path):
    with pytest.raises(FaultError), replaced_files(tmp_path / "a" / "b"):
        raise FaultError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [replaced_files, replaced_folder])
@pytest.mark.parametrize(
    "fault",
    [OSError(28, "No space left on device"), RuntimeError("I/O error: No space (os error 28)")],
)
def test_a_full_disk_is_one_sentence_that_names_the_place(tmp_path, make, fault):
    message = r"out could not be written: No space left on device\."
    with (
        pytest.raises(OSError, match=message),
        make(tmp_path / "out", record="manifest.json") as folder,
    ):
        (folder / "a").write_text("half")
        raise fault
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1])
def test_killed_at_any_time_the_best_model_loads(tmp_path, number, delay):
    often = {"training.max_epochs": 500, "initialize.after_init.eval_every": "2 steps"}
    process = fork(run, tmp_path, **often)
    out = tmp_path / "out"
    while not (out / "checkpoint").exists():
        assert process.is_alive()
        time.sleep(0.02)
    time.sleep(0.3 + delay)
    os.kill(process.pid, number)
    process.join()
    for name in ("model-best", "checkpoint"):
        recover_folder(out / name)  # as the next command does, after a kill between two renames
    assert spacy.load(out / "model-best")("Ada likes Rome") is not None
    assert spacy.load(out / "checkpoint" / "model")("Ada likes Rome") is not None


@pytest.mark.slow
def test_full_disk_leaves_the_best_model(tmp_path):
    """On a real file system of 8 MB, mounted in a name space of its own."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    write_corpus(tmp_path)
    config = make_config(tmp_path, **{"training.max_epochs": 4})
    config.to_disk(tmp_path / "config.cfg")
    (tmp_path / "run.py").write_text(FULL_DISK)
    (tmp_path / "disk").mkdir()
    command = (
        f"mount -t tmpfs -o size=8m none {tmp_path}/disk && {sys.executable} {tmp_path}/run.py"
    )
    command += f" {tmp_path}/config.cfg {tmp_path}/disk/out"
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    if "mount" in result.stderr and "Traceback" not in result.stderr:
        pytest.skip("may not mount")
    assert "No space left on device" in result.stdout and "is unchanged" in result.stdout
    assert "loads" in result.stdout


FULL_DISK = """
import sys
from pathlib import Path
import spacy
from spacy.util import load_config
from spacy_bert_ner.train import loop
from spacy_bert_ner.train.train import train

out = Path(sys.argv[2])
update = loop.Training._update

def fill(self, *args):
    if self.progress.step == 12:
        with open(out / "ballast", "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(4096))
            except OSError:
                pass
    update(self, *args)

loop.Training._update = fill
try:
    train(load_config(sys.argv[1], interpolate=False), out)
except OSError as error:
    print("error:", error)
    spacy.load(out / "model-best")("Ada likes Rome")
    print("loads")
"""
