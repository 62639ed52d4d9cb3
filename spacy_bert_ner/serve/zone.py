"""Words of a pipeline's texts → a memory zone, renewed before it grows large."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from spacy.language import Language

# Words after which a zone is renewed.
_ZONE_WORDS = 200_000


class SharedZone:
    """One memory zone of the vocabulary for all threads, so that new words are forgotten.

    It is renewed when no thread is in it. A long text waits for the moment between two
    batches of short ones; these never wait.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language):
        """Enter no zone yet."""
        self._nlp = nlp
        self._zone: AbstractContextManager[Any] | None = None
        self._users, self._left = 0, 0
        self._is_idle = threading.Condition()

    @contextmanager
    def use(self, n_words: int, *, is_long: bool) -> Iterator[None]:
        """Predict in the zone; docs made in it must not leave it.

        n_words (int): The words of the batch.
        is_long (bool): Whether it is a long text.
        """
        with self._is_idle:
            if is_long and self._left <= 0:
                self._is_idle.wait_for(self._has_no_user)
            if self._left <= 0 and self._has_no_user():
                self._renew()
            self._users += 1
            self._left -= n_words
        try:
            yield
        finally:
            with self._is_idle:
                self._users -= 1
                self._is_idle.notify_all()

    def _has_no_user(self) -> bool:
        return self._users == 0

    def _renew(self) -> None:
        if self._zone is not None:
            self._zone.__exit__(None, None, None)
        self._zone = self._nlp.memory_zone()
        self._zone.__enter__()
        self._left = _ZONE_WORDS
