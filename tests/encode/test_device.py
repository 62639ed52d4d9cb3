"""Encoders on a device that has no values: what meets on it, and what would wait for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_bert_ner.encode.forward import PREPARED


@pytest.mark.slow
def test_no_tensor_is_elsewhere_and_nothing_waits_for_a_bucket(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "support.meta_run", str(tmp_path)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 6 * 4 * 2
    # One bucket is full: without a mask, transformers asks some encoders whether there is padding
    # (when predicting) and whether the mask is full. The other two are padded.
    for kind, shapes, train, pooling, waits in found:
        case = kind, shapes, train, pooling, waits
        n_waits = (0 if kind == "electra" else 2) + (1 if train else 2)
        assert sum(waits.values()) <= (0 if kind in PREPARED else n_waits), case
        assert not any("encode/" in place for place in waits), case
