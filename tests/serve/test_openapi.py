"""Requests made from the OpenAPI description, valid and not: never a fault of the server."""

import subprocess
import sys

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from support.serving import serving


@pytest.mark.slow
def test_schemathesis_finds_no_fault(trained, tmp_path):
    pytest.importorskip("schemathesis")
    with serving(trained) as served:
        url = f"http://127.0.0.1:{served.port}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", url, "--max-examples", "10"]
        checks = ["--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"]
        done = subprocess.run([*command, *checks], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "not_a_server_error" not in done.stdout.partition("FAILURES")[2]
