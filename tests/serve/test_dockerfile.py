"""The Dockerfile: small, without root, with steps that work; read as docker reads it."""

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from support.commands import run

ROOT = Path(__file__).parents[2]


def read_steps(text):
    """The instructions as pairs of a name and its arguments; continued lines are joined."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def find_faults(steps):
    """What a linter of Dockerfiles would report."""
    names = [re.search(r" AS (\w+)$", text)[1] for name, text in steps if name == "FROM"]
    for name, text in steps:
        is_foreign = name == "FROM" and text.split()[0] not in names
        if is_foreign and not re.match(r"[\w./-]+:[\w.-]*\d", text):
            yield f"no version: {text}"
        if name == "ADD" or "curl" in text or "sudo" in text or "apt-get" in text:
            yield f"{name} {text}"
        is_careful = "--no-cache-dir" in text and "-c " in text
        if name == "RUN" and "pip install" in text and not is_careful:
            yield f"pip without --no-cache-dir or constraints: {text}"
        if name in ("CMD", "ENTRYPOINT") and not isinstance(json.loads(text), list):
            yield f"{name} is no list"
    users = [text for name, text in steps if name == "USER"]
    if not users or not all(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user) for user in users):
        yield "the user is root, or is no number"
    if not any(name == "HEALTHCHECK" for name, _ in steps):
        yield "no HEALTHCHECK"


@pytest.fixture(scope="module")
def steps():
    return read_steps((ROOT / "Dockerfile").read_text(encoding="utf8"))


def test_there_is_nothing_to_report(steps):
    assert list(find_faults(steps)) == []


@pytest.mark.parametrize(
    "old, new",
    [
        ("python:3.12-slim", "python:latest"),
        ("USER 10001:10001", "USER root"),
        ("--no-cache-dir", ""),
        ("COPY setup.cfg", "ADD setup.cfg"),
        ("HEALTHCHECK", "LABEL"),
    ],
)
def test_the_check_can_fail(old, new):
    text = (ROOT / "Dockerfile").read_text(encoding="utf8")
    assert old in text
    assert list(find_faults(read_steps(text.replace(old, new))))


def test_what_is_copied_exists_and_is_sent_to_the_builder(steps):
    rules = (ROOT / ".dockerignore").read_text(encoding="utf8").split("\n")
    sent = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = [
        source
        for name, text in steps
        if name == "COPY" and "--from" not in text
        for source in text.split()[:-1]
    ]
    assert "spacy_bert_ner" in copied
    for source in copied:
        source = source.replace("${MODEL}", "training/full/model-best")
        assert any(fnmatch(source, rule) for rule in sent), source
        assert (ROOT / source).exists() or source.startswith("training")


def test_the_command_has_these_flags(steps):
    words = [word for name in ("ENTRYPOINT", "CMD") for word in json.loads(dict(steps)[name])]
    assert words[1:5] == ["-m", "spacy", "bert-ner", "serve"]
    code, shown = run("serve", "--help")
    assert code == 0
    assert all(word in shown for word in words if word.startswith("--"))


@pytest.mark.slow
def test_the_build_steps_run_as_a_script(steps, tmp_path):
    build = [text for name, text in steps[: [name for name, _ in steps].index("FROM", 1)]]
    commands = [text for name, text in steps if name == "RUN" and text in build]
    assert len(commands) == 2
    script = "\n".join(commands).replace("/opt/venv", str(tmp_path / "venv"))
    script = script.replace("/src", str(ROOT)).replace(
        "python -m venv", f"{sys.executable} -m venv"
    )
    # Nobody runs what is installed here, so pip need not compile it; "0" means --no-compile.
    env = {**os.environ, "PIP_NO_COMPILE": "0"}
    subprocess.run(["bash", "-euc", script], check=True, env=env)
    command = [tmp_path / "venv" / "bin" / "python", "-m", "spacy", "bert-ner", "serve", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert "--max-body" in shown.stdout
