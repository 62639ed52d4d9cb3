"""Files that move together: all or none, whoever is killed, interrupted or in the way."""

import json
import os
import threading
from functools import partial
from pathlib import Path

import pytest
from spacy.vocab import Vocab
from support.steps import run_until_killed, skip_sync

from spacy_bert_ner import moves
from spacy_bert_ner.corpus.docbin import read_docs
from spacy_bert_ner.files import recover_folder, replaced_files
from spacy_bert_ner.moves import recover_files

OLD = {"dev.spacy", "train.spacy", "test.spacy", "report.json", "report.md"}
NEW = {"dev.spacy", "train.spacy", "report.json", "report.md"}


def write(folder, text, names):
    """Do what `convert` does: replace parts and report, and remove parts that are no more."""
    with replaced_files(folder, force=True, record="report.json") as aside:
        for name in names:
            (aside / name).write_text(text)
        parts = {name: {"path": name} for name in names if name.endswith(".spacy")}
        (aside / "report.json").write_text(json.dumps({"parts": parts, "text": text}))


def read(folder):
    """The text of all files, if it is the same, and the set of them."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    texts = {(folder / name).read_text() for name in names - {"report.json"}}
    texts.add(json.loads((folder / "report.json").read_text())["text"])
    (text,) = texts
    return text, names


def make(folder):
    folder.mkdir()
    write(folder, "old", OLD)
    return folder


def test_killed_at_each_step_all_files_are_old_or_all_are_new(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", skip_sync)
    seen = set()
    for number in range(1_000):
        folder = make(tmp_path / str(number))
        is_killed = run_until_killed(partial(write, folder, "new", NEW), number)
        try:
            before = read(folder)[0]
        except ValueError:
            before = "mixed"
        recover_files(folder)
        text, names = read(folder)
        with replaced_files(folder) as aside:
            (aside / "notes").write_text("mine")
        assert {path.name for path in folder.iterdir()} == {*names, "notes"}
        assert names == {"old": OLD, "new": NEW}[text]
        seen.add((before, text))
        if not is_killed:
            break
    assert seen == {("old", "old"), ("old", "new"), ("mixed", "new"), ("new", "new")}


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    """A folder as it is when a command is killed just before its first move."""

    def stop(folder):
        raise OSError(5, "Input/output error")

    folder = make(tmp_path / "unfinished")
    for path in folder.iterdir():
        os.utime(path, (0, 0))  # so that what is written later has another time on any disk
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(moves, "_finish", stop)
        write(folder, "new", NEW)
    assert read(folder) == ("old", OLD)
    return folder


def test_what_the_user_wrote_after_the_kill_is_kept(unfinished):
    for name in ("test.spacy", "dev.spacy"):  # one was to be removed, one to be replaced
        (unfinished / name).unlink()
        (unfinished / name).write_text("mine")
    recover_files(unfinished)
    texts = [(unfinished / name).read_text() for name in sorted(OLD - {"report.json"})]
    assert texts == ["mine", "new", "mine", "new"]


def test_a_reader_of_a_corpus_finishes_what_a_killed_command_began(unfinished):
    with pytest.raises(ValueError, match=r"dev\.spacy: cannot be read as a DocBin"):
        list(read_docs(unfinished / "dev.spacy", Vocab()))
    assert read(unfinished) == ("new", NEW)


def test_a_model_and_the_files_in_its_folder_are_recovered(unfinished):
    recover_folder(unfinished)
    assert read(unfinished) == ("new", NEW)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "Input/output error")])
def test_an_error_between_two_moves_ends_with_all_files(tmp_path, monkeypatch, error):
    folder, replace, done = make(tmp_path / "out"), Path.replace, []

    def fail(self, target):
        if self.parent.name == moves._MOVES and Path(target).parent == folder:
            done.append(self.name)
            if len(done) == 2:
                raise error
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        write(folder, "new", NEW)
    assert read(folder) == ("new", NEW)


def test_two_commands_do_not_mix_their_files(tmp_path, monkeypatch):
    """The second one comes when the first has moved one of its files."""
    folder, replace = make(tmp_path / "out"), Path.replace
    threads = [threading.Thread(target=write, args=(folder, "second", OLD))]

    def meanwhile(self, target):
        result = replace(self, target)
        if self.parent.name == moves._MOVES and Path(target).parent == folder and threads:
            second.append(threads.pop())
            second[0].start()
            second[0].join(0.2)
            assert second[0].is_alive()
        return result

    second = []
    monkeypatch.setattr(Path, "replace", meanwhile)
    write(folder, "first", NEW)
    second[0].join()
    assert read(folder) == ("second", OLD)


def test_moves_that_do_not_end_are_an_error(tmp_path, monkeypatch):
    (tmp_path / moves._MOVES).mkdir()
    with (
        monkeypatch.context() as patch,
        moves.held(tmp_path / moves._MOVES),
        pytest.raises(BlockingIOError, match=r"another process is moving.*remove .*\.moves"),
    ):
        patch.setattr(moves, "_SECONDS", 0)
        write(tmp_path, "new", NEW)
    write(tmp_path, "new", NEW)
    assert read(tmp_path) == ("new", NEW)
