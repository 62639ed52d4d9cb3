"""Parts computed side by side: the same vectors, and nothing of the process changes."""

import itertools
import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from support.encoders import TEXTS, build, make_docs
from support.listening import make_nlp

from spacy_bert_ner.encode import threads as room
from spacy_bert_ner.encode.threads import count_threads, run_side_by_side, threads_inside

DOCS = make_docs(*TEXTS, *(" ".join(["Alex lives in Paris."] * n) for n in range(1, 20)))


@pytest.mark.parametrize("options", [{}, {"pooling": "mean"}, {"compute_dtype": "bfloat16"}])
def test_same_vectors_to_the_last_bit_whatever_the_threads(get_encoder, options):
    models = [build(get_encoder(), batch_pieces=40, threads=n, **options) for n in (1, 2, 4)]
    alone, *others = [model.predict(DOCS).X for model in models]
    assert alone.any()
    for X in others:
        np.testing.assert_array_equal(X, alone)


@pytest.fixture
def _three_threads_inside():
    """Torch uses three threads on the thread of the test, whatever the environment says."""
    before = torch.get_num_threads()
    room._find_openmp().omp_set_num_threads(3)
    yield
    room._find_openmp().omp_set_num_threads(before)


@pytest.mark.usefixtures("_three_threads_inside")
def test_each_part_once_by_as_many_threads_as_asked():
    done, seen, all_here = [], set(), threading.Barrier(3, timeout=100)

    def run(part):
        if part < 3:  # The first three parts wait for each other.
            all_here.wait()
        seen.add(threading.get_ident())
        done.append((part, torch.get_num_threads()))

    run_side_by_side(run, 50, threads=3)
    assert sorted(done) == [(part, 1) for part in range(50)]
    assert len(seen) == 3 and threading.get_ident() in seen
    assert torch.get_num_threads() == 3


def test_callers_at_the_same_time_share_the_threads():
    """Two callers compute already, so a third one, which may use two threads, gets no helper."""
    running, end = threading.Barrier(3, timeout=100), threading.Event()

    def wait(part):
        running.wait()
        end.wait(100)

    callers = [
        threading.Thread(target=run_side_by_side, args=(wait, 1), kwargs={"threads": 2})
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    running.wait()
    seen = set()
    run_side_by_side(lambda part: seen.add(threading.get_ident()), 9, threads=2)
    end.set()
    for caller in callers:
        caller.join()
    assert seen == {threading.get_ident()} and not room._computing


@pytest.mark.parametrize("n_parts", [0, 1])
def test_a_single_part_takes_no_other_thread(monkeypatch, n_parts):
    monkeypatch.setattr(room.threading, "Thread", None)
    done = []
    run_side_by_side(done.append, n_parts, threads=4)
    assert done == list(range(n_parts))


def test_a_system_without_room_for_threads(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    done = []
    run_side_by_side(done.append, 9, threads=4)
    assert done == list(range(9))


@pytest.mark.parametrize("in_helper", [True, False])
def test_an_error_ends_all_and_is_raised(in_helper):
    both, done, me = threading.Barrier(2, timeout=100), [], threading.get_ident()

    def run(part):
        done.append(part)
        if part < 2:
            both.wait()
            if (threading.get_ident() == me) != in_helper:
                raise LookupError(f"part {part}")
        time.sleep(0.001)  # all parts take more time than one thread may be held up

    with pytest.raises(LookupError, match=r"part [01]"):
        run_side_by_side(run, 10**5, threads=2)
    assert len(done) < 10**5 and not room._computing


def test_a_part_that_found_no_memory_is_tried_again_when_the_others_are_done():
    tried = []

    def run(part):
        tried.append(part)
        if part == 3 and tried.count(3) == 1:
            raise MemoryError

    run_side_by_side(run, 20, threads=2)
    assert tried[-1] == 3 and sorted(tried) == sorted([*range(20), 3])


def test_a_part_that_never_finds_memory_is_an_error():
    def run(part):
        raise MemoryError(f"part {part}")

    with pytest.raises(MemoryError, match="part 0"):
        run_side_by_side(run, 2, threads=1)


@pytest.mark.parametrize(
    ("n_processors", "n_torch", "threads", "expected"),
    [(8, 4, None, 4), (2, 4, None, 2), (8, 1, None, 1), (2, 2, 6, 6)],
)
def test_as_many_threads_as_may_be_used(monkeypatch, n_processors, n_torch, threads, expected):
    monkeypatch.setattr(room, "count_processors", lambda: n_processors)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_torch)
    assert count_threads(threads) == expected


@pytest.mark.usefixtures("_three_threads_inside")
def test_torch_s_threads_stay_where_they_cannot_be_held_back(monkeypatch):
    monkeypatch.setattr(room, "_find_openmp", lambda: None)
    assert count_threads(4) == 1
    with threads_inside(1):
        assert torch.get_num_threads() == 3


def test_training_on_a_busy_machine_logs_once_what_to_set(get_encoder, monkeypatch, caplog):
    advice = iter([None, "Set this.", "Set that."])
    monkeypatch.setattr(room, "describe_load", lambda: next(advice))
    monkeypatch.setattr(room, "STEPS", 2)
    monkeypatch.setattr(room, "_n_steps", itertools.count())
    monkeypatch.setattr(room, "_has_warned", threading.Event())
    model = build(get_encoder())
    logged = []
    for _ in range(6):
        model.begin_update(DOCS[:2])
        logged.append([record.message for record in caplog.records])
    assert logged == [[]] * 2 + [["Set this."]] * 4


CODE = """
import os, pickle, sys, threading, time
import torch
from spacy_bert_ner.encode.threads import threads_inside

if sys.argv[2] == "set":
    torch.set_num_threads(2)
nlp = pickle.load(open(sys.argv[1], "rb"))
texts = pickle.load(open(sys.argv[3], "rb"))
found, counts, helpers = [], [], set()
inside = torch.nn.Module.__call__


def call(*args, **options):
    helpers.add(threading.current_thread().name)
    return inside(*args, **options)


torch.nn.Module.__call__ = call


def read():
    with nlp.select_pipes(enable=["transformer"]):
        docs = [nlp.make_doc(text) for text in texts]
    return nlp.get_pipe("transformer").model.predict(docs).X.tobytes()


def read_and_count():
    found.append(read())
    counts.append(torch.get_num_threads())


def start(n):
    threads = [threading.Thread(target=read_and_count) for _ in range(n)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def fork():
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, bytes([read() == found[0]]))
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reader, 1) == b"\\1"


def count_tasks():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0


def count_new_tasks():
    end = time.monotonic() + 60
    while count_tasks() > before and time.monotonic() < end:
        time.sleep(0.01)  # a thread that was joined may still be ending
    return count_tasks() - before


before = count_tasks()
read_and_count()
with threads_inside(1):
    torch.mm(torch.ones(900, 900), torch.ones(900, 900))
print(count_new_tasks())
torch.mm(torch.ones(900, 900), torch.ones(900, 900))  # OpenMP's threads start
start(8)
in_fork = fork()
start(1)
threads = os.environ["OMP_NUM_THREADS"], threading.active_count()
print(len(set(found)), set(counts), *threads, in_fork)
print("spacy-bert-ner" in helpers)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("how", ["set", "environment"])
def test_callers_forks_and_pickles_get_the_same_and_the_process_keeps_its_threads(
    get_encoder, tmp_path, how
):
    nlp = make_nlp(get_encoder(), n_steps=1, batch_pieces=40, threads=2)
    texts = [doc.text for doc in DOCS]
    for name, what in (("nlp", nlp), ("texts", texts)):
        (tmp_path / name).write_bytes(pickle.dumps(what))
    environment = os.environ | {"OMP_NUM_THREADS": "3" if how == "set" else "2"}
    command = [sys.executable, "-c", CODE, str(tmp_path / "nlp"), how, str(tmp_path / "texts")]
    found = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=800
    )
    assert found.returncode == 0, found.stderr
    asked = environment["OMP_NUM_THREADS"]
    # No thread of OpenMP or MKL has started before the product that needs it.
    assert found.stdout.splitlines() == ["0", f"1 {{2}} {asked} 1 True", "True"]
