"""Texts of all clients share batches of bounded size, and none disturbs another."""

import asyncio
import threading
import time
from itertools import pairwise

import pytest
import spacy
from support.pipelines import DATA, make_nlp, train

pytest.importorskip("prometheus_client")
pytest.importorskip("starlette")

from starlette.exceptions import HTTPException

from spacy_bert_ner.serve import batcher as batches
from spacy_bert_ner.serve.batcher import Batcher, count_words, is_thread_safe
from spacy_bert_ner.serve.settings import ServerSettings

TEXT = DATA[0][0]
LONG = " ".join([TEXT] * 20)


class Watched:
    """A pipeline that notes its batches, and waits in those that have a text of `held`."""

    def __init__(self, nlp, monkeypatch):
        self.batches = []
        self.holds = threading.Event()
        self.held = set()
        pipe = nlp.pipe

        def note(texts, **options):
            self.batches.append(list(texts))
            if self.held.intersection(texts):
                assert self.holds.wait(100)
            if any(text == "fail" for text in texts):
                raise ValueError("no such text")
            return pipe(texts, **options)

        monkeypatch.setattr(nlp, "pipe", note)


@pytest.fixture
def watched(trained, monkeypatch):
    return Watched(trained, monkeypatch)


def run(nlp, use, *, wait=0, **settings):
    """Run a coroutine function of a batcher that works; a batch waits so many seconds."""

    async def main():
        batcher = Batcher(nlp, ServerSettings("", **settings))
        task = asyncio.create_task(batcher.run())
        try:
            return await asyncio.wait_for(use(batcher), 120)
        finally:
            task.cancel()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_WAIT", wait)
        return asyncio.run(main())


def test_clients_share_a_batch(trained, watched):
    async def use(batcher):
        return await asyncio.gather(*(batcher.find([TEXT]) for _ in range(10)))

    found = run(trained, use, wait=0.05)
    assert watched.batches == [[TEXT] * 10]
    assert {str(ents) for [ents] in found} == {str(found[0][0])} and len(found[0][0]) == 2


def test_batches_are_bounded_in_words_and_keep_the_order(trained, watched):
    texts = [f"{TEXT} {i}" for i in range(40)]
    n = count_words(texts[-1])

    async def use(batcher):
        return await batcher.find(texts)

    run(trained, use, batch_words=5 * n)
    assert [text for batch in watched.batches for text in batch] == texts
    assert {len(batch) for batch in watched.batches} == {5}


def test_short_texts_do_not_wait_for_a_long_one(trained, watched):
    watched.held = {LONG}

    async def use(batcher):
        long = asyncio.create_task(batcher.find([LONG]))
        while not watched.batches:
            await asyncio.sleep(0.001)
        for _ in range(5):
            await batcher.find([TEXT])
        assert not long.done()
        watched.holds.set()
        return await long

    [ents] = run(trained, use, batch_words=32)
    assert len(ents) == 40


def test_a_pipeline_that_threads_disturb_serves_short_and_long_texts_in_turns(
    trained, watched, monkeypatch
):
    monkeypatch.setattr("spacy_bert_ner.serve.batcher.is_thread_safe", lambda nlp: False)
    watched.held = {TEXT}  # so that all the rest is queued when the second batch begins

    async def use(batcher):
        first = asyncio.create_task(batcher.find([TEXT]))
        while not watched.batches:
            await asyncio.sleep(0.001)
        long = asyncio.create_task(batcher.find([LONG] * 3))
        short = asyncio.create_task(batcher.find([f"{TEXT} {i}" for i in range(9)]))
        await asyncio.sleep(0.01)
        watched.holds.set()
        await asyncio.gather(first, long, short)

    run(trained, use, batch_words=32)
    is_long = [batch == [LONG] for batch in watched.batches]
    assert sum(is_long) == 3
    assert not any(a and b for a, b in pairwise(is_long))


def test_threads_never_meet_in_a_pipeline_that_they_disturb_when_it_replaces_another(
    trained, watched, monkeypatch
):
    other = make_nlp()
    train(other, n_steps=1)
    monkeypatch.setattr(batches, "is_thread_safe", lambda nlp: nlp is trained)
    watched.held = {LONG, TEXT}
    inside, most, pipe = [], [], other.pipe

    def note(texts, **options):
        inside.append(texts)
        most.append(len(inside))
        docs = [*pipe(texts, **options)]
        time.sleep(0.01)
        inside.remove(texts)
        return docs

    monkeypatch.setattr(other, "pipe", note)

    async def use(batcher):
        first = asyncio.create_task(batcher.find([LONG, TEXT]))
        while len(watched.batches) < 2:
            await asyncio.sleep(0.001)
        batcher.replace(other)
        assert batcher.nlp is trained
        later = asyncio.create_task(
            batcher.find([LONG] * 4 + [f"{TEXT} {TEXT} {TEXT} {i}" for i in range(5)])
        )
        await asyncio.sleep(0.01)
        watched.holds.set()
        await asyncio.gather(first, later)
        assert batcher.nlp is other

    run(trained, use, batch_words=32)
    # The other long texts waited for the new pipeline; short ones may have been quicker.
    assert len(most) >= 4 and set(most) == {1}


def test_a_text_that_fails_fails_alone(trained, watched):
    async def use(batcher):
        asked = (batcher.find([text]) for text in (TEXT, "fail", TEXT))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, error, last = run(trained, use, wait=0.05)
    assert isinstance(error, ValueError) and first == last and len(first[0]) == 2
    assert watched.batches[0] == [TEXT, "fail", TEXT]


def test_what_is_given_up_is_not_predicted(trained, watched):
    watched.held = {LONG}

    async def use(batcher):
        first = asyncio.create_task(batcher.find([LONG]))
        while not watched.batches:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(batcher.find(["given up"] * 5))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        watched.holds.set()
        await first
        await batcher.find([TEXT])
        return batcher.queued

    assert run(trained, use, batch_words=1000) == 0
    assert not any("given up" in batch for batch in watched.batches)


def test_a_full_queue_refuses_and_says_when_to_come_back(trained, watched):
    watched.held = {TEXT}

    async def use(batcher):
        first = asyncio.create_task(batcher.find([TEXT]))
        while not watched.batches:
            await asyncio.sleep(0.001)
        with pytest.raises(HTTPException) as refusal:
            await batcher.find([TEXT] * 3)
        assert refusal.value.status_code == 429 and int(refusal.value.headers["retry-after"]) >= 1
        watched.holds.set()
        await first
        # One request is accepted whatever its length: otherwise nothing could ever serve it.
        return await batcher.find([TEXT] * 10)

    assert len(run(trained, use, queue_words=20)) == 10


def test_a_slow_batch_of_one_word_says_little_about_full_ones(trained, watched, monkeypatch):
    pipe = trained.pipe
    monkeypatch.setattr(trained, "pipe", lambda *args, **kw: time.sleep(0.01) or pipe(*args, **kw))

    async def use(batcher):
        for _ in range(20):  # at 100 words per second
            await batcher.find(["word"])
        watched.held = {TEXT}
        first = asyncio.create_task(batcher.find([TEXT] * 120))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refusal:
            await batcher.find([TEXT])
        watched.holds.set()
        await first
        return refusal.value.headers["retry-after"]

    assert run(trained, use, queue_words=100) == "1"


def test_new_words_do_not_stay_in_memory(trained, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.serve.batcher._ZONE_WORDS", 50)
    before = len(trained.vocab.strings)

    async def use(batcher):
        for i in range(60):
            short = batcher.find([f"word{i}a word{i}b word{i}c"])
            long = batcher.find([" ".join(f"long{i}x{k}" for k in range(40))])
            await asyncio.gather(short, long)

    run(trained, use, batch_words=20)
    kept = len(trained.vocab.strings) - before
    assert kept < 400, f"{kept} of 2,580 new words"


def test_threads_share_a_pipeline_only_if_its_models_allow_it(trained):
    import torch
    from thinc.api import PyTorchWrapper

    assert is_thread_safe(trained)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("tagger")
    pipe.model = PyTorchWrapper(torch.nn.Linear(2, 2))
    assert not is_thread_safe(nlp)


def test_many_clients_get_what_nlp_finds(trained):
    texts = [f"{TEXT} {'London is big ' * (i % 20)}" for i in range(100)]
    expected = [[(ent.text, ent.start_char) for ent in trained(text).ents] for text in texts]

    async def use(batcher):
        return await asyncio.gather(*(batcher.find([text]) for text in texts))

    found = run(trained, use, batch_words=64)
    assert [[(ent.text, ent.start) for ent in ents] for [ents] in found] == expected


def test_new_words_are_forgotten_but_not_the_first_ones(trained, monkeypatch):
    monkeypatch.setattr(batches, "_ZONE_WORDS", 20)
    entered, zone = [], trained.memory_zone
    monkeypatch.setattr(trained, "memory_zone", lambda: entered.append(len(entered)) or zone())

    async def use(batcher):
        counts = []
        for _ in range(9):
            await batcher.find([TEXT])
            counts.append(len(entered))
        return counts

    # the text has 8 words
    assert run(trained, use) == [0, 0, 1, 1, 1, 2, 2, 2, 3]
