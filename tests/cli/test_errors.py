"""Errors of commands and scripts: one message with flags on stderr, or a traceback to report."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
import spacy
import typer
from support.commands import run
from typer.testing import CliRunner

from spacy_bert_ner.cli._app import with_shown_errors
from spacy_bert_ner.cli._errors import describe_error, find_flags, name_flags

FLAGS = {"force": "--force", "gpu_id": "--gpu-id", "split": "--split", "output": "OUTPUT"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Set `force` to replace it.", "Set --force to replace it."),
        ("Set `force = true`.", "Set --force."),
        ("Use `gpu_id = -1`.", "Use --gpu-id -1."),
        ('Give `split = "80/10 10"`.', "Give --split '80/10 10'."),
        ('Use `split = {"id": "a", "tag": "b c"}`.', "Use --split 'id=a,tag=b c'."),
        ('Use `split = ["O", "B-X"]`.', "Use --split O,B-X."),
        ("Name `output`.", "Name OUTPUT."),
        ("Lower `batch_pieces`.", "Lower `batch_pieces`."),
        ("Run `pip install force`.", "Run `pip install force`."),
        ("Set force.", "Set force."),
    ],
)
def test_settings_of_the_command_become_its_flags(text, expected):
    assert name_flags(text, FLAGS) == expected


def run_function(function, *args):
    app = typer.Typer()
    app.command()(with_shown_errors(function))
    return CliRunner().invoke(app, list(map(str, args)))


def test_flags_come_from_the_signature():
    def function(
        source: str,
        name: str = typer.Argument("x"),
        wanted: float = typer.Option(1.0, "--precision", "-p"),
        raw: bool = typer.Option(False),
        *,
        gpu_id: int = -1,
    ) -> None: ...

    assert find_flags(function) == {
        "source": "SOURCE", "name": "NAME", "wanted": "--precision", "raw": "--raw",
        "gpu_id": "--gpu-id",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("Set `wanted_name`."), "Set --wanted-name."),
        (FileNotFoundError(2, "No such file or directory", "a b"), "a b: No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "Out of memory"),
    ],
)
def test_an_expected_error_is_one_message_on_stderr(error, message):
    def function(wanted_name: str = typer.Option("")) -> None:
        raise error

    result = run_function(function)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())
    assert result.stdout == "" and "Traceback" not in result.stderr


def test_an_unexpected_error_keeps_its_traceback_and_says_how_to_report_it():
    def function() -> None:
        raise KeyError("internal")

    result = run_function(function)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr and "KeyError: 'internal'" in result.stderr
    assert "report it with the traceback" in " ".join(result.stderr.split())


def test_typers_own_errors_pass():
    def function() -> None:
        raise typer.BadParameter("no good")

    assert run_function(function).exit_code == 2


def test_an_error_of_the_system_names_both_paths():
    assert describe_error(OSError(18, "Invalid link", "a", None, "b")) == "a → b: Invalid link."


SLEEPER = """
import time, sys
from spacy_bert_ner.cli._app import run_script
def main():
    try:
        print("started", flush=True)
        time.sleep(600)
    finally:
        print("cleaned", flush=True)
run_script(main)
"""


def test_sigterm_cleans_up_and_says_so():
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "started\n"
    os.kill(process.pid, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=300)
    assert stdout == "cleaned\n" and "Stopped by SIGTERM" in stderr
    assert process.returncode == 143


HELP = """
import contextlib, io, sys
from spacy.cli import setup_cli
sys.argv = ["spacy", "bert-ner", "--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:
    setup_cli()
assert "find-threshold" in shown.getvalue()
print(*sorted({"huggingface_hub", "matplotlib", "pyarrow", "transformers"} & set(sys.modules)))
"""


def test_help_imports_nothing_that_only_a_command_needs():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert done.stdout == "\n", done.stdout


def test_the_command_that_verify_advises_works(tmp_path):
    model = tmp_path / "my model"
    spacy.blank("en").to_disk(model)
    for damage in (None, "added.txt"):
        if damage:
            (model / damage).write_text("added")
        code, output = run("verify", model)
        assert code == 1
        command = re.search(r"`python -m spacy bert-ner (verify .*)`", output)[1]
        assert run(*shlex.split(command))[0] == 0
        assert run("verify", model)[0] == 0
