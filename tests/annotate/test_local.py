"""Worker processes: the same output as in one process, whatever kills them."""

import os
import signal
import subprocess
import sys
import time
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


def list_children(pid="self"):
    """The worker processes of a process."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    numbers = [int(number) for file in files for number in file.read_text().split()]
    lines = [(number, Path(f"/proc/{number}/cmdline")) for number in numbers]
    return [number for number, path in lines if "spawn_main" in path.read_text()]


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
    data = write_lines(tmp_path / "a.jsonl", make_records(4))
    monkeypatch.setattr(local, "_MOST_DEATHS", 1)
    hear = local._Team.hear

    def kill(team, worker):
        event = hear(team, worker)
        if worker.part is not None:
            worker.process.kill()
        return event

    monkeypatch.setattr(local._Team, "hear", kill)
    with pytest.raises(MemoryError, match=r"Part 0 ended its worker 1 times \(signal 9\)"):
        annotate(model, [data], tmp_path / "out", workers=1)
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
    data = write_lines(tmp_path / "a.jsonl", make_records(20_000))
    out, number = tmp_path / "out", getattr(signal, name)
    args = [str(model), str(data), "--output", str(out), "--workers", "1", "--part-records", "300"]
    process = subprocess.Popen(
        [sys.executable, "-m", "spacy", "bert-ner", "annotate", *args],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out / "receipts").exists():
        assert process.poll() is None
        time.sleep(0.1)
    children = list_children(process.pid)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert ("Run the same command again" in errors) == (name != "SIGKILL")
    time.sleep(2)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert children
    state = run_job(model, [data], out)
    assert state.records == state.total == 20_000 and 0 < state.done_now < 20_000
    assert len(read_output(out)) == 20_000
