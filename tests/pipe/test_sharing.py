"""One pipeline in many hands: batches, streams, copies, threads, processes, memory."""

import contextlib
import copy
import itertools
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.encoders import LONG
from support.listening import TEXTS, annotate, get_annotations, make_nlp


@pytest.fixture(scope="module")
def nlp(get_encoder):
    """A trained pipeline; tests must not change it."""
    return make_nlp(get_encoder(), n_steps=40, dropout=0.0)


def test_fixture_has_learned_something(nlp):
    assert [ent.text for ent in nlp(TEXTS[0]).ents] == ["Alex", "London"]


@pytest.mark.parametrize("make", [copy.deepcopy, lambda nlp: pickle.loads(pickle.dumps(nlp))])
def test_pipeline_can_be_copied_and_pickled(nlp, make):
    assert annotate(make(nlp)) == annotate(nlp)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_row_34_pipe_equals_call(nlp, batch_size):
    expected = [get_annotations(nlp(text)) for text in TEXTS]
    assert annotate(nlp, batch_size=batch_size) == expected
    pairs = list(
        nlp.pipe(((t, i) for i, t in enumerate(TEXTS)), as_tuples=True, batch_size=batch_size)
    )
    assert [get_annotations(doc) for doc, _ in pairs] == expected
    assert [i for _, i in pairs] == list(range(len(TEXTS)))


def test_a_page_among_tweets_neither_stalls_nor_reorders(nlp):
    texts = [TEXTS[0]] * 5 + [LONG * 40] + [TEXTS[1]] * 20
    taken = []

    def stream():
        for i, text in enumerate(texts):
            taken.append(i)
            yield text

    for i, doc in enumerate(nlp.pipe(stream(), batch_size=4)):
        assert doc.text == texts[i]
        assert len(taken) <= i + 8


def test_a_stream_that_fails_keeps_what_came_before(nlp):
    def stream():
        yield from TEXTS[:4]
        raise OSError("lost")

    docs = []
    with pytest.raises(OSError, match="lost"):
        docs.extend(nlp.pipe(stream(), batch_size=2))
    docs = []
    with pytest.raises(OSError, match="lost"):
        for doc in nlp.pipe(stream(), batch_size=2):
            docs.append(doc)
    assert [get_annotations(doc) for doc in docs] == annotate(nlp, TEXTS[:4])


def test_row_35_threads(nlp):
    # 8 threads, 2,000 calls; each text has words that no other has
    texts = [f"{text} {'abcdefghijklm'[i:]}" for i, text in enumerate(TEXTS[:12])]
    expected = [get_annotations(copy.deepcopy(nlp)(text)) for text in texts]
    wrong = []

    def work(offset):
        for i in range(250):
            row = (i * 7 + offset) % len(texts)
            if get_annotations(nlp(texts[row])) != expected[row]:
                wrong.append(row)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_row_36_two_processes(nlp, tmp_path):
    # in a process of its own, so that a hang ends; torch has run threads before
    nlp.to_disk(tmp_path)
    code = f"""
import spacy
nlp = spacy.load({str(tmp_path)!r}, config={{"components.transformer.model.batch_pieces": 9000}})
texts = [{LONG!r} * 4, "", "Alex lives in London"] * 20
expected = [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts)]
found = [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts, n_process=2, batch_size=5)]
assert found == expected and any(found)
"""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        assert process.wait(timeout=600) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def measure_memory():
    """Bytes of the process that are in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure_growth(nlp, n_docs):
    """Bytes by which the process grows while docs are streamed."""
    texts = (f"Alex lives in London {i % 5000}" for i in range(n_docs + 1000))
    docs = nlp.pipe(texts, batch_size=256)
    for doc in itertools.islice(docs, 1000):
        assert doc._.trf_data is None
        assert not any(hasattr(value, "tensors") for value in doc.user_data.values())
        assert doc.tensor is None or not doc.tensor.size
    before = measure_memory()
    for _ in docs:
        pass
    return measure_memory() - before


def test_row_37_memory_is_flat_and_nothing_stays_on_the_doc(nlp):
    with nlp.memory_zone():
        measure_growth(nlp, 2000)
    growths = []  # What stays would show each time; the allocator's own parts do not.
    while len(growths) < 3 and min(growths, default=9**9) >= 4 * 2**20:
        with nlp.memory_zone():
            growths.append(measure_growth(nlp, 4000))
    assert min(growths) < 4 * 2**20


@pytest.mark.slow
def test_row_37_hundreds_of_thousands_of_docs(nlp):
    growths = []
    for _ in range(20):
        with nlp.memory_zone():
            growths.append(measure_growth(nlp, 10_000))
    assert sum(growths[10:]) < 20 * 2**20
