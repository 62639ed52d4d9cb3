"""Worker processes: the same output as in one process, whatever kills them."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.annotating import (
    check_same_output,
    here,
    make_records,
    model,
    read_output,
    run_job,
    write_lines,
)

from spacy_bert_ner.annotate import local
from spacy_bert_ner.annotate.annotate import annotate

__all__ = ["here", "model"]


def read_proc(name):
    """A file of Linux about a process or a thread; of one that has ended, there is none."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path("/proc", name).read_text()
    return ""


def is_worker(pid):
    return "spawn_main" in read_proc(f"{pid}/cmdline")


def list_children(pid="self"):
    """The worker processes of a process."""
    files = [*Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for file in files for child in read_proc(file).split() if is_worker(child)]


def test_a_killed_worker_is_replaced_and_its_part_done_anew(model, tmp_path, request):
    data, killed = write_lines(tmp_path / "a.jsonl", make_records(40)), []

    def kill(state):
        if not killed:
            killed.extend(list_children())
            os.kill(killed[0], signal.SIGKILL)

    settings = {"workers": 1, "part_records": 4}
    state = annotate(model, [data], tmp_path / "out", watch=kill, **settings)
    assert killed and (state.records, state.errors, state.parts) == (40, 0, 10)
    assert list_children() == []
    request.getfixturevalue("here")
    run_job(model, [data], tmp_path / "whole")
    check_same_output(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
def test_a_part_that_kills_each_worker_ends_the_job(model, tmp_path, monkeypatch):
    # On a busy machine, this process is slow: the part must not be done before its worker dies.
    data = write_lines(tmp_path / "a.jsonl", make_records(100_000))
    monkeypatch.setattr(local, "_MOST_DEATHS", 1)
    hear = local._Team.hear

    def kill(team, worker):
        event = hear(team, worker)
        if worker.part is not None:
            worker.process.kill()
        return event

    monkeypatch.setattr(local._Team, "hear", kill)
    with pytest.raises(MemoryError, match=r"Part 0 ended its worker 1 times \(signal 9\)"):
        annotate(model, [data], tmp_path / "out", workers=1, part_records=100_000)
    assert list_children() == []


def test_an_error_in_a_worker_is_the_error_of_the_job(model, tmp_path):
    data = write_lines(tmp_path / "a.jsonl", make_records(4))
    (model.parent / "broken").mkdir()
    for path in model.iterdir():
        if path.is_file():
            (model.parent / "broken" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="is missing"):
        annotate(model.parent / "broken", [data], tmp_path / "out", workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_stopped_job_leaves_no_worker_and_goes_on(name, model, tmp_path, here):
    data, number = write_lines(tmp_path / "a.jsonl", make_records(20_000)), getattr(signal, name)
    for i in range(5):  # a busy machine may end the job before this process stops it
        out = tmp_path / f"out{i}"
        args = ["--output", str(out), "--workers", "1", "--part-records", "300"]
        process = subprocess.Popen(
            [sys.executable, "-m", "spacy", "bert-ner", "annotate", str(model), str(data), *args],
            stderr=subprocess.PIPE,
            text=True,
        )
        receipts = out / "receipts"
        while process.poll() is None and not any(receipts.glob("*.json")):
            time.sleep(0.02)
        children = list_children(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=300)
        if process.returncode and len([*receipts.glob("*.json")]) < 67:
            break
    assert process.returncode != 0
    assert ("Run the same command again" in errors) == (name != "SIGKILL")
    end = time.monotonic() + 60
    while any(map(is_worker, children)) and time.monotonic() < end:
        time.sleep(0.1)
    assert children and not any(map(is_worker, children))
    state = run_job(model, [data], out)
    assert state.records == state.total == 20_000 and 0 < state.done_now < 20_000
    assert len(read_output(out)) == 20_000
