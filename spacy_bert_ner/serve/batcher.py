"""Texts of all clients → batches by words → the entities of each text."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from starlette.exceptions import HTTPException
from thinc.api import Model, PyTorchShim, require_gpu

from .monitor import BATCH, QUEUE, WORDS
from .settings import ServerSettings

# Seconds that a batch which is not full waits for more texts.
_WAIT = 0.002
# Words after which the memory zone of the vocabulary is renewed, so that new words are forgotten.
_ZONE_WORDS = 200_000


class FoundEntity(NamedTuple):
    """An entity, with offsets in characters."""

    start: int
    end: int
    text: str
    label: str
    score: float | None


class _Job(NamedTuple):
    text: str
    words: int
    future: asyncio.Future[list[FoundEntity]]


class Batcher:
    """Predict the texts of all clients together, in batches of bounded size.

    Short texts share batches. A text of more than `batch_words` is predicted alone: in
    another thread if the pipeline can be used by two at once, else by turns with the
    batches of short texts.

    nlp (Language): The pipeline; its `name`, `version` and `labels` are kept, because it
        takes long to make them.
    settings (ServerSettings): The size of batches and of the queue.
    """

    def __init__(self, nlp: Language, settings: ServerSettings):
        """Start nothing yet: `run` does."""
        self.settings = settings
        self.queued = 0
        self._speed = 5_000.0  # words per second: a guess until the first batch is done
        self._next = nlp
        self._use(nlp)
        self._lanes = (_Lane(), _Lane())
        self._zone = contextlib.ExitStack()
        self._zone_words, self._running = _ZONE_WORDS, 0
        self._turn = asyncio.Lock()
        self._pool = ThreadPoolExecutor(2, "predict", set_thread_device, (settings.gpu_id,))

    async def run(self) -> None:
        """Predict what is queued until the task is cancelled."""
        try:
            await asyncio.gather(*(self._serve(lane) for lane in self._lanes))
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._zone.close()  # now, not when it is collected: another one may be open then

    def replace(self, nlp: Language) -> None:
        """Predict with another pipeline as soon as no batch is in work.

        nlp (Language): The pipeline.
        """
        self._next, self._zone_words = nlp, 0
        self._renew()

    async def find(self, texts: Sequence[str]) -> list[list[FoundEntity]]:
        """Find the entities of the texts of one request.

        texts (Sequence[str]): The texts.
        RETURNS (List[List[FoundEntity]]): The entities of each text, as `nlp(text)` finds them.
        RAISES (HTTPException): 429, if too many words are waiting.
        """
        counts = [count_words(text) for text in texts]
        if self.queued and self.queued + sum(counts) > self.settings.queue_words:
            seconds = str(math.ceil(self.queued / self._speed))
            raise HTTPException(
                429, f"Too much is waiting. Try again in {seconds} s.", {"retry-after": seconds}
            )
        loop = asyncio.get_running_loop()
        jobs = [_Job(text, n, loop.create_future()) for text, n in zip(texts, counts, strict=True)]
        for job in jobs:
            self._count(job.words)
            self._lanes[job.words > self.settings.batch_words].put(job)
        try:
            return await asyncio.gather(*(job.future for job in jobs))
        finally:  # a request that fails or is given up leaves no work behind
            for job in jobs:
                job.future.cancel()

    async def _serve(self, lane: "_Lane") -> None:
        while True:
            taken = await lane.take(self.settings.batch_words)
            jobs = [job for job in taken if not job.future.done()]
            results = await self._predict(jobs) if jobs else []
            self._count(-sum(job.words for job in taken))
            for job, result in zip(jobs, results, strict=True):
                if not job.future.done():
                    has_failed = isinstance(result, Exception)
                    (job.future.set_exception if has_failed else job.future.set_result)(result)

    def _count(self, words: int) -> None:
        self.queued += words
        QUEUE.set(self.queued)

    async def _predict(self, jobs: Sequence[_Job]) -> list[Any]:
        n_words = sum(job.words for job in jobs)
        # Both threads share a memory zone, which is renewed when none is in it. Short texts
        # don't wait for that: a long one waits until the batch of short ones is done.
        while self._running and self._zone_words <= 0 and n_words > self.settings.batch_words:
            await asyncio.sleep(_WAIT)
        async with contextlib.nullcontext() if self._is_safe else self._turn:
            self._running += 1
            self._zone_words -= n_words
            started = time.perf_counter()
            texts, loop = [job.text for job in jobs], asyncio.get_running_loop()
            results = await loop.run_in_executor(self._pool, self._find, texts)
            self._running -= 1
            self._renew()
        # Short batches count less: when requests are refused, there are only full ones.
        share = 0.2 * min(1, n_words / self.settings.batch_words)
        self._speed += share * (n_words / (time.perf_counter() - started) - self._speed)
        WORDS.inc(n_words)
        BATCH.observe(n_words)
        return results

    def _renew(self) -> None:
        if self._running or self._zone_words > 0:
            return
        # The first words of a pipeline are kept: in a zone, spaCy's tokenizer remembers none.
        self._zone.close()
        if self.nlp is self._next:
            self._zone.enter_context(self.nlp.memory_zone())
        self._use(self._next)
        self._zone_words = _ZONE_WORDS

    def _use(self, nlp: Language) -> None:
        self.nlp = nlp
        self.name = f"{nlp.meta['lang']}_{nlp.meta['name']}"
        self.version = nlp.meta["version"]
        names = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
        self.labels = sorted({label for name in names for label in nlp.pipe_labels.get(name, ())})
        self._is_safe = is_thread_safe(nlp)
        keys = (getattr(pipe, "spans_key", None) for _, pipe in nlp.pipeline)
        self._spans_keys = [*filter(None, keys)]

    def _find(self, texts: Sequence[str]) -> list[Any]:
        try:
            docs = self.nlp.pipe(texts, batch_size=len(texts))
            found = [self._list_entities(doc) for doc in docs]
            if len(found) != len(texts):
                raise RuntimeError("The pipeline's error handler left out a text.")
        except Exception as error:
            if len(texts) == 1:
                return [error]
            # One text must not fail the requests of others.
            return [result for text in texts for result in self._find([text])]
        return found

    def _list_entities(self, doc: Doc) -> list[FoundEntity]:
        spans = [*doc.ents]
        for key in self._spans_keys:
            spans += doc.spans.get(key, ())
        has_score = bool(spans) and spans[0].has_extension("score")
        scores = [span._.score if has_score else None for span in spans]
        return [
            FoundEntity(span.start_char, span.end_char, span.text, span.label_, score)
            for span, score in zip(spans, scores, strict=True)
        ]


class _Lane:
    # Jobs in their order → those of the next batch.

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()
        self._words = 0
        self._is_filled = asyncio.Event()

    def put(self, job: _Job) -> None:
        self._jobs.append(job)
        self._words += job.words
        self._is_filled.set()

    async def take(self, size: int) -> list[_Job]:
        await self._is_filled.wait()
        if self._words < size:
            await asyncio.sleep(_WAIT)
        taken, words = list[_Job](), 0
        while self._jobs and (not taken or words + self._jobs[0].words <= size):
            taken.append(self._jobs.popleft())
            words += taken[-1].words
        self._words -= words
        if not self._jobs:
            self._is_filled.clear()
        return taken


def count_words(text: str) -> int:
    """Estimate the words of a text, at least 1; scripts without blanks count by length.

    EXAMPLE:
        >>> count_words("Alex lives in London."), count_words("")
        (4, 1)
    """
    return max(1, text.count(" ") + 1, len(text) // 8)


def is_thread_safe(nlp: Language) -> bool:
    """Whether two threads may predict with a pipeline at once.

    thinc switches PyTorch models to evaluation and back for each prediction, so that
    threads disturb each other; our encoder does not.

    nlp (Language): The pipeline.
    RETURNS (bool): Whether no component has a PyTorch model that thinc runs.
    """
    return not any(
        type(shim) is PyTorchShim
        for _, pipe in nlp.pipeline
        if isinstance(model := getattr(pipe, "model", None), Model)
        for layer in model.walk()
        for shim in layer.shims
    )


def set_thread_device(gpu_id: int) -> None:
    """Compute on a GPU in this thread: each thread has its own current device.

    gpu_id (int): GPU, or -1 for the CPU.
    """
    if gpu_id >= 0:
        require_gpu(gpu_id)
