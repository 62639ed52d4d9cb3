"""What a shell, a locale and a file system may do to a command: closed streams, pipes, names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import samples
from support.commands import run

NAME = os.fsdecode(b"d\xe4ten")  # Latin-1: no text in a UTF-8 locale


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.conll"
    path.write_text(samples.columns())
    return path


def test_names_that_are_no_text_are_written_and_read(data):
    Path(f"{NAME}.conll").write_bytes(data.read_bytes())
    for number in range(2):
        code, output = run("convert", f"{NAME}.conll", f"{NAME}/dev.spacy", *["--force"] * number)
        assert code == 0, output
    report = json.loads(Path(NAME, "dev.report.json").read_text("utf8"))
    assert report["inputs"][0]["path"] == f"{NAME}.conll"
    code, output = run("verify", f"{NAME}/gone")
    assert code == 1 and "ten/gone: no such folder" in output


@pytest.mark.slow
def test_a_report_has_names_that_are_no_text(data, trained):
    assert run("convert", "data.conll", f"{NAME}/dev.spacy")[0] == 0
    trained.to_disk(f"{NAME}/model")
    code, output = run("evaluate", f"{NAME}/model", f"{NAME}/dev.spacy", "--output", f"{NAME}/out")
    assert code == 0, output
    metrics = json.loads(Path(NAME, "out", "metrics.json").read_text("utf8"))
    assert metrics["model"]["path"] == f"{NAME}/model"


@pytest.mark.parametrize(
    "command",
    ["convert PIPE.conll out.spacy", "doctor-data PIPE.conll", "plot PIPE.jsonl out",
     "evaluate model PIPE.spacy --output out", "annotate model PIPE.jsonl --output out",
     "suggest model PIPE.jsonl --output out", "apply-corrections data.conll PIPE.csv out.spacy"],
)  # fmt: skip
def test_a_pipe_is_refused_before_it_is_read(data, trained, command):
    trained.to_disk("model")
    pipe = next(word for word in command.split() if word.startswith("PIPE"))
    os.mkfifo(pipe)
    code, output = run(*command.split())
    assert code == 1 and f"{pipe} is a pipe or a device, expected a file" in output, output
    assert sorted(path.name for path in data.parent.iterdir()) == [pipe, "data.conll", "model"]


COMMAND = """
import sys
from spacy_bert_ner.cli._app import run_script
def main(n: int):
    open("result", "w").write("whole")
    print("line\\n" * n)
    print("note", file=sys.stderr)
run_script(main)
"""


def run_shell(line, n=1):
    script = f'exec "{sys.executable}" -c "$0" {n}'
    return subprocess.run(
        ["bash", "-c", line.replace("COMMAND", f"bash -c '{script}' \"$0\""), COMMAND],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_closed_streams_take_nothing_from_a_command(data):
    done = run_shell("COMMAND <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Path("result").read_text() == "whole"


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_a_command_quietly(data):
    done = run_shell("COMMAND | head -1; exit ${PIPESTATUS[0]}", 100_000)
    assert (done.returncode, done.stdout, done.stderr) == (141, "line\n", "")


@pytest.mark.slow
def test_a_full_disk_behind_stdout_is_an_error(data):
    done = run_shell("COMMAND > /dev/full")
    assert done.returncode == 1 and "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
