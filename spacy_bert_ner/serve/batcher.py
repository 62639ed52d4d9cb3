"""Texts of all clients → batches by words → the entities of each text."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, require_gpu

from .metrics import Metrics
from .settings import ServerSettings
from .zone import SharedZone


class FoundEntity(NamedTuple):
    """An entity, with offsets in characters."""

    start: int
    end: int
    text: str
    label: str
    score: float | None


class QueueFullError(Exception):
    """More words are waiting than the server accepts.

    retry_after (int): Seconds after which there is likely to be room.
    """

    def __init__(self, retry_after: int):
        """Keep when to try again."""
        super().__init__(retry_after)
        self.retry_after = retry_after


@dataclass(eq=False)
class _Job:
    text: str
    words: int
    future: asyncio.Future[list[FoundEntity]]


class Batcher:
    """Predict the texts of all clients together, in batches of bounded size.

    Short texts share batches. A text of more than `batch_words` is predicted alone: in
    another thread if the pipeline can be used by two at once, else by turns with the
    batches of short texts.

    nlp (Language): The pipeline.
    settings (ServerSettings): The size of batches and of the queue.
    metrics (Metrics): Counts what is predicted.
    """

    def __init__(self, nlp: Language, settings: ServerSettings, metrics: Metrics):
        """Start nothing yet: `run` does."""
        self.nlp = nlp
        self.settings = settings
        self.metrics = metrics
        self.queued = 0
        self.speed = 5_000.0  # words per second: a guess until the first batch is done
        self._lanes = (_Lane(settings), _Lane(settings))
        self._zone = SharedZone(nlp)
        keys = [getattr(pipe, "spans_key", None) for _, pipe in nlp.pipeline]
        self._spans_keys = [key for key in keys if key]
        self._pool = ThreadPoolExecutor(
            2 if is_thread_safe(nlp) else 1,
            thread_name_prefix="predict",
            initializer=_use_device,
            initargs=(settings.gpu_id,),
        )

    async def run(self) -> None:
        """Predict what is queued until the task is cancelled."""
        try:
            await asyncio.gather(*(self._serve(lane) for lane in self._lanes))
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def find(self, texts: Sequence[str]) -> list[list[FoundEntity]]:
        """Find the entities of the texts of one request.

        texts (Sequence[str]): The texts.
        RETURNS (List[List[FoundEntity]]): The entities of each text, as `nlp(text)` finds them.
        RAISES (QueueFullError): If too many words are waiting.
        """
        counts = [count_words(text) for text in texts]
        if self.queued and self.queued + sum(counts) > self.settings.queue_words:
            raise QueueFullError(math.ceil(self.queued / self.speed))
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
        loop = asyncio.get_running_loop()
        while True:
            taken = await lane.take()
            jobs = [job for job in taken if not job.future.done()]
            results: list[Any] = []
            if jobs:
                results = await loop.run_in_executor(self._pool, self._predict, jobs)
            self._count(-sum(job.words for job in taken))
            for job, result in zip(jobs, results, strict=True):
                if job.future.done():
                    continue
                if isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)

    def _count(self, words: int) -> None:
        self.queued += words
        self.metrics.queue.set(self.queued)

    def _predict(self, jobs: Sequence[_Job]) -> list[Any]:
        n_words = sum(job.words for job in jobs)
        texts = [job.text for job in jobs]
        started = time.perf_counter()
        with self._zone.use(n_words, is_long=n_words > self.settings.batch_words):
            try:
                results: list[Any] = self._find(texts)
            except Exception:  # one text must not fail the requests of others
                results = [self._find_or_explain(text) for text in texts]
        self.speed += 0.2 * (n_words / (time.perf_counter() - started) - self.speed)
        self.metrics.words.inc(n_words)
        self.metrics.batch.observe(n_words)
        return results

    def _find(self, texts: Sequence[str]) -> list[list[FoundEntity]]:
        docs = self.nlp.pipe(texts, batch_size=len(texts))
        found = [self._list_entities(doc) for doc in docs]
        if len(found) != len(texts):
            raise RuntimeError("The pipeline's error handler left out a text.")
        return found

    def _find_or_explain(self, text: str) -> list[FoundEntity] | Exception:
        try:
            return self._find([text])[0]
        except Exception as error:
            return error

    def _list_entities(self, doc: Doc) -> list[FoundEntity]:
        spans = [*doc.ents]
        for key in self._spans_keys:
            spans += doc.spans.get(key, ())
        has_score = bool(spans) and spans[0].has_extension("score")
        return [
            FoundEntity(
                span.start_char,
                span.end_char,
                span.text,
                span.label_,
                span._.score if has_score else None,
            )
            for span in spans
        ]


class _Lane:
    # Jobs in their order → those of the next batch.

    def __init__(self, settings: ServerSettings):
        self._settings = settings
        self._jobs: deque[_Job] = deque()
        self._words = 0
        self._is_filled = asyncio.Event()

    def put(self, job: _Job) -> None:
        self._jobs.append(job)
        self._words += job.words
        self._is_filled.set()

    async def take(self) -> list[_Job]:
        await self._is_filled.wait()
        if self._words < self._settings.batch_words and self._settings.wait_ms:
            await asyncio.sleep(self._settings.wait_ms / 1000)
        taken, words = [self._jobs.popleft()], 0
        words = taken[0].words
        while self._jobs and words + self._jobs[0].words <= self._settings.batch_words:
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


def _use_device(gpu_id: int) -> None:
    # Each thread has its own current device.
    if gpu_id >= 0:
        require_gpu(gpu_id)
