"""The output folder: one run at a time, checked before the first step, earlier results kept."""

import fcntl
import os
import subprocess
import sys

import pytest
from support.runs import StopError, make, run, stop_at

from spacy_bert_ner.train import output as output_module
from spacy_bert_ner.train.output import finish_run, locked_output, recover_output, start_run


def test_two_runs_into_one_folder_are_refused(tmp_path):
    with (
        locked_output(tmp_path),
        pytest.raises(
            ValueError,
            match=rf"another training run writes .* \(process {os.getpid()} on ",
        ),
        locked_output(tmp_path),
    ):
        pass
    with locked_output(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_removed_before_it_was_taken_does_not_count(tmp_path, monkeypatch):
    flock = fcntl.flock

    def end_meanwhile(file, operation):
        (tmp_path / ".lock").unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", end_meanwhile)
    with pytest.raises(ValueError, match="another training run"), locked_output(tmp_path):
        pass


HOLD = """
import sys, time
from pathlib import Path
from spacy_bert_ner.train.output import locked_output
with locked_output(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(ValueError, match=f"process {process.pid} on"), locked_output(tmp_path):
        pass
    process.kill()
    process.wait()
    with locked_output(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.train.train.init_nlp", None)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for output, message in (
        ("file", "file is a file, expected a writable folder"),
        ("file/out", "file is a file, expected a writable folder"),
        ("link", "link is a link to .*gone, which does not exist"),
        ("link/out", "link is a link to .*gone, which does not exist"),
    ):
        with pytest.raises(OSError, match=message):
            run(tmp_path, output)
    with pytest.raises(OSError, match="expected a writable folder"):
        run(tmp_path, "/proc/out")


def read(folder):
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.mark.parametrize("n_moves", range(12))
def test_a_finished_run_takes_its_place_whenever_it_is_killed(tmp_path, monkeypatch, n_moves):
    """Files in place of folders: every rename is a moment to be killed at."""
    names = ["model-best", "model-last", "log.jsonl"]
    for name in names:
        (tmp_path / name).write_text("old")
    run = start_run(tmp_path)
    assert run == tmp_path / "unfinished"
    (run / "checkpoint").mkdir()
    for name in [*names, "learning_curve.png"]:
        (run / name).write_text("new")
    rename, left = output_module.Path.rename, [n_moves]

    def rename_some(self, target):
        if not left[0]:
            raise StopError
        left[0] -= 1
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(output_module.Path, "rename", rename_some)
        try:
            finish_run(run)
        except StopError:
            pass
        else:
            assert n_moves >= 9
    if n_moves == 0:  # before the checkpoint is removed, the run can be resumed
        assert (run / "checkpoint").exists()
    recover_output(tmp_path)
    assert read(tmp_path) == dict.fromkeys(sorted([*names, "learning_curve.png"]), "new")
    assert read(tmp_path / "before-1") == dict.fromkeys(sorted(names), "old")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["before-1"]


def test_the_earlier_result_stays_until_the_run_has_finished(tmp_path, monkeypatch):
    run(tmp_path)
    path = tmp_path / "out" / "model-best" / "ner" / "model"
    before = path.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(20, patch)
        run(tmp_path, **{"training.seed": 4})
    assert path.read_bytes() == before
    assert (tmp_path / "out" / "unfinished" / "model-best").exists()
    _, text = run(tmp_path, resume=True, **{"training.seed": 4})
    assert path.read_bytes() != before
    kept = tmp_path / "out" / "before-1"
    assert (kept / "model-best" / "ner" / "model").read_bytes() == before
    assert f"The earlier result is now in {kept}" in " ".join(text.split())
    assert not (tmp_path / "out" / "unfinished").exists()


def test_a_second_unfinished_run_keeps_the_first(tmp_path, monkeypatch):
    run(tmp_path)
    for seed in (4, 5):
        with monkeypatch.context() as patch, pytest.raises(StopError):
            stop_at(12, patch)
            run(tmp_path, **{"training.seed": seed})
    assert (tmp_path / "out" / "before-1" / "checkpoint").exists()
    assert (tmp_path / "out" / "unfinished" / "checkpoint").exists()


def test_a_full_disk_says_what_is_saved(tmp_path, monkeypatch):
    def fill(path, record):
        raise OSError(28, "No space left on device")

    from spacy_bert_ner.train import loop

    monkeypatch.setattr(loop, "replaced_folder", fill)
    import io

    from spacy_bert_ner.train.train import train

    stdout = io.StringIO()
    with pytest.raises(OSError, match="No space left"):
        train(make(tmp_path), tmp_path / "out", stdout=stdout, stderr=io.StringIO())
    text = " ".join(stdout.getvalue().split())
    assert "after step 9. Nothing is saved in" in text
    assert "resume" not in text
