"""Encoders on a device that has no values: what meets on it, and what would wait for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_tensor_is_elsewhere_and_nothing_waits_for_a_bucket(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "support.meta_run", str(tmp_path)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == (2 * 4 + 10) * 2
    # One bucket is full, two are padded: transformers would ask for both.
    assert [case for case in found if case[-1]] == []
