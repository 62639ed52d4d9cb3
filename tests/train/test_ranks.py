"""Several processes train as one: the same steps, resumed, and an end for all if one dies."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from support import ranks_worker
from support.runs import make, read_weights, run

from spacy_bert_ner.train import ranks as module
from spacy_bert_ner.train.ranks import Ranks, check_connected, find_own_gpu

PLAIN = {"training.dropout": 0.0}
ACCUMULATING = {**PLAIN, "training.optimizer.accumulate_batches": 2}


def launch(folder, output, *, n=2, stop=-1, resume=False, **overrides):
    make(folder, **overrides).to_disk(folder / f"{output}.cfg")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]  # which is free, also a moment later
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n),
            "--master-port", str(port),
            ranks_worker.__file__, folder / f"{output}.cfg", folder / output, str(stop),
            "resume" if resume else "new",
        ],
        env=env, capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip


def assert_same_weights(one, other, tolerance=1e-5):
    for a, b in zip(read_weights(one), read_weights(other), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("overrides", [PLAIN, ACCUMULATING], ids=["plain", "accumulating"])
@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path, overrides):
    alone, _ = run(tmp_path, "alone", **overrides)
    # Batches of four: the last one of an epoch has fewer examples than there are processes.
    result = launch(tmp_path, "two", **overrides)
    assert result.returncode == 0, result.stderr
    assert_same_weights(alone, spacy.load(tmp_path / "two" / "model-last"))
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("alone", "two")]
    assert logs[0].count("\n") == logs[1].count("\n") > 1


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_run_resumes(tmp_path):
    """Dropout is on: each process draws the masks that it draws in an unbroken run."""
    assert launch(tmp_path, "unbroken").returncode == 0
    broken = launch(tmp_path, "broken", stop=15)
    assert broken.returncode != 0
    assert "exitcode  : -9" in broken.stderr
    assert (tmp_path / "broken" / "checkpoint").exists()
    assert not (tmp_path / "broken" / "model-last").exists()
    resumed = launch(tmp_path, "broken", resume=True)
    assert resumed.returncode == 0, resumed.stderr
    assert "Continuing after step" in resumed.stdout
    first, second = (spacy.load(tmp_path / x / "model-last") for x in ("unbroken", "broken"))
    assert_same_weights(first, second, tolerance=1e-7)


def make_batch(lengths):
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=["w"] * n) for n in lengths]
    return [Example(doc, doc) for doc in docs]


@pytest.mark.parametrize("lengths", [[5, 1, 4, 2], [3], [0, 0, 1], [9, 1, 1, 1, 1, 1]])
def test_each_example_is_dealt_to_one_process_and_shares_add_up_to_one(lengths):
    batch = make_batch(lengths)
    dealt = [Ranks(i, 2).deal(batch) for i in range(2)]
    own = [eg for part, share in dealt if share or len(lengths) > 2 for eg in part]
    assert {id(eg) for eg in own} == {id(eg) for eg in batch}
    assert len({id(eg) for eg in own}) == len(own)
    assert sum(share for _, share in dealt) == pytest.approx(1.0)
    for part, share in dealt:
        words = sum(len(eg.predicted) for eg in part)
        assert part
        assert share == pytest.approx(words / sum(lengths)) or share == 0


def test_words_are_dealt_evenly():
    loads = [
        sum(len(eg.predicted) for eg in Ranks(i, 3).deal(make_batch(range(40)))[0])
        for i in range(3)
    ]
    assert max(loads) - min(loads) <= 3


def test_gradients_are_added_up_and_other_batches_refused(monkeypatch):
    """The collectives are replaced by ones in which the other process has the same gradient."""
    other = [(1, "b")]

    def gather(states, state):
        states[:] = [state, (n_words, other)]

    monkeypatch.setattr(module.distributed, "all_gather_object", gather)
    monkeypatch.setattr(module.distributed, "all_reduce", lambda flat: flat.mul_(2))
    ranks, n_words = Ranks(0, 2), 5
    ranks.deal(make_batch([2, 3]))
    gradients = {(1, "a"): torch.ones(2, 2)}
    ranks.add_up(gradients, {(1, "b"): torch.ones(3)})
    assert gradients[1, "a"].tolist() == [[2, 2], [2, 2]]
    assert gradients[1, "b"].tolist() == [0, 0, 0]
    n_words = 4
    with pytest.raises(RuntimeError, match="batches of 5, 4 words, expected the same"):
        ranks.add_up(gradients, {})


def test_spacy_train_under_torchrun_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="torchrun --nproc-per-node 2 -m spacy bert-ner train"):
        init_nlp(make(tmp_path))
    monkeypatch.setenv("WORLD_SIZE", "1")
    check_connected()


def test_each_process_of_a_machine_has_its_own_gpu(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert [find_own_gpu(gpu) for gpu in (-1, 0, 1)] == [-1, 3, 4]


def test_several_processes_need_a_seed_and_our_optimizer(tmp_path):
    from spacy_bert_ner.train.loop import Training

    nlp = init_nlp(make(tmp_path, **{"training.seed": None}))
    with pytest.raises(ValueError, match="needs `seed` in"):
        Training(nlp, Path(tmp_path), ranks=Ranks(0, 2))
