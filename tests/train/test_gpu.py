"""Whole pipelines on a stand-in for CuPy: what they learn, what they keep, and what they move."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from support.listening import TRAIN

pytestmark = pytest.mark.slow
TASKS = {"update": 13, "pipe": 7, "calibrate": 7, "dev loss": 15}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "support.fake_gpu_run", str(folder)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    return folder, result.pop("is resumed"), result


def test_all_heads_learn_and_are_kept(found):
    _, _, cases = found
    assert len(cases) == 18
    for name, case in cases.items():
        assert case["losses"][-1] < case["losses"][0], name
        assert case["is kept"] == [True, True], name


def test_moves_and_waits_do_not_depend_on_the_number_of_docs(found):
    _, _, cases = found
    for name, case in cases.items():
        if "stock" in name:  # spaCy's own listener moves each doc
            continue
        n_heads = 2 if name == "two heads" else 1
        moves = {}
        for task, _, counts in case["moves"]:
            moves.setdefault(task, []).append(tuple(counts.values()))
        assert moves.keys() == TASKS.keys()
        for task, counts in moves.items():
            assert len(set(counts)) == 1, (name, task, counts, case["places"])
            assert sum(counts[0]) <= n_heads * TASKS[task], (name, task, case["places"])


def test_a_resumed_run_draws_the_same_masks(found):
    _, is_resumed, _ = found
    assert is_resumed


def test_a_processor_loads_what_was_saved(found):
    folder, _, cases = found
    n_ents = 0
    for name in ("forms, averages", "shape, single tags", "all pieces", "stock listener"):
        nlp = spacy.load(folder / name / "model")
        docs = nlp.pipe(text for text, _ in TRAIN)
        ents = [[[ent.text, ent.label_] for ent in doc.ents] for doc in docs]
        assert ents == cases[name]["ents"]
        n_ents += sum(map(len, ents))
    assert n_ents
