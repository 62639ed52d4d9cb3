"""The recipes of docs/serving.md work as the page says, wherever their package is installed."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support.pipelines import DATA

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf8")
BLOCKS = {
    re.search(r"(?:import|from) (\w+)", text)[1]: text
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
# What starts a server, what it answers, and where.
LINES = re.findall(r"^`((?:python|bentoml) .*?)` answers `(.*?)` at `(.*?)`\.$", PAGE, re.MULTILINE)
SERVERS = ("litserve", "kserve", "bentoml")
TEXT = DATA[0][0]


def test_every_recipe_is_tested():
    assert [*BLOCKS] == ["presidio_analyzer", *SERVERS] and len(LINES) == len(SERVERS)


def test_presidio(trained, monkeypatch):
    pytest.importorskip("presidio_analyzer")
    monkeypatch.setattr("spacy_bert_ner.interop.presidio.load", lambda name: trained)
    names = {"__name__": "recipe"}
    exec(BLOCKS["presidio_analyzer"], names)
    found = names["analyzer"].analyze(TEXT, language="en")
    assert {"PERSON", "LOCATION"} <= {entity.entity_type for entity in found}


@pytest.mark.parametrize("package, line", zip(SERVERS, LINES, strict=True), ids=SERVERS)
def test_a_server_answers(package, line, trained, tmp_path):
    pytest.importorskip(package)
    command, body, path = line
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = str(sock.getsockname()[1])
    trained.to_disk(tmp_path / "model")
    block = BLOCKS[package].replace("en_kaggle_ner", str(tmp_path / "model"))
    (tmp_path / "server.py").write_text(block.replace("8000", port))
    command = command.replace("8000", port).removeprefix("python ").split()
    if command[0] == package:
        command = ["-m", *command]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "1"},
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 120
        while not is_open(int(port)):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.2)
        url = f"http://127.0.0.1:{port}{path}"
        body = body.replace("Alex lives in London.", TEXT).encode()
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = answer.read().decode()
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the processes that it has left
    pairs = re.findall(r'\["([^"]+)", ?"([^"]+)", ?0\.\d+\]', found)
    assert pairs == [(ent.text, ent.label_) for ent in trained(TEXT).ents]


def is_open(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
