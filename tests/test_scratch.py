"""Folders that one process fills alone: kept apart, and gone even after a kill."""

import fcntl
import signal
import subprocess
import sys

import pytest

from spacy_bert_ner.files import replaced_files, replaced_folder
from spacy_bert_ner.scratch import temporary_folder

FILL = """
import sys, time
from pathlib import Path
from spacy_bert_ner.files import replaced_files, replaced_folder
from spacy_bert_ner.scratch import temporary_folder
path = Path(sys.argv[1])
make = {"temporary_folder": lambda: temporary_folder(path),
        "replaced_files": lambda: replaced_files(path),
        "replaced_folder": lambda: replaced_folder(path / "model", record="manifest.json")}
with make[sys.argv[2]]() as folder:
    (folder / "file").write_text("half")
    print("filling", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start():
    """Start a process that fills a folder of some kind, and is killed at the end."""
    processes = []

    def run(path, kind):
        command = [sys.executable, "-c", FILL, str(path), kind]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "filling\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["temporary_folder", "replaced_files", "replaced_folder"])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, start, kind):
    (tmp_path / "mine").write_text("mine")
    process = start(tmp_path, kind)
    if kind == "replaced_folder":
        with (
            pytest.raises(OSError, match=r"model: another process is writing it\. Wait"),
            replaced_folder(tmp_path / "model", record="manifest.json"),
        ):
            pass
    else:  # each process has a folder of its own
        with temporary_folder(tmp_path) as folder:
            assert len([path for path in tmp_path.iterdir() if path.name != "mine"]) == 2
            assert list(folder.iterdir()) == []
    (left,) = {path.name for path in tmp_path.iterdir()} - {"mine"}
    assert (tmp_path / left / "file").read_text() == "half"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / left).exists()
    with replaced_files(tmp_path) as folder:
        (folder / "a").write_text("whole")
    with replaced_folder(tmp_path / "model", record="manifest.json") as folder:
        (folder / "b").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "mine", "model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["b"]


def test_a_folder_that_was_taken_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    """Another process may lock or remove a new folder between the two calls."""
    flock, taken = fcntl.flock, []

    def take(number, operation):
        folder = next(tmp_path.iterdir())
        if not taken:
            taken.append(folder.name)
            folder.rmdir()
        elif len(taken) == 1:
            taken.append(folder.name)
            raise BlockingIOError
        flock(number, operation)

    monkeypatch.setattr(fcntl, "flock", take)
    with temporary_folder(tmp_path) as folder:
        assert folder.is_dir() and folder.name not in taken
        assert len(taken) == 2


def test_without_locks_nothing_of_another_process_is_removed(tmp_path, monkeypatch):
    def refuse(number, operation):
        raise OSError(9, "Bad file descriptor")  # as on NFS

    monkeypatch.setattr(fcntl, "flock", refuse)
    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        assert first.is_dir() and second.is_dir()
    with replaced_folder(tmp_path / "model", record="manifest.json") as folder:
        (folder / "b").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_link_is_never_followed(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").touch()
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / ".spacy-bert-ner-x").symlink_to(tmp_path / "target")
    with temporary_folder(tmp_path / "place"):
        pass
    assert (tmp_path / "target" / "file").exists()
