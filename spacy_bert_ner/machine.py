"""Memory that training has freed → the operating system."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from spacy.language import Language


def make_trim_memory_v1(*, every: int = 10) -> Callable[[Language, dict[str, Any]], None]:
    """Make a callback that gives freed memory back while a pipeline is trained.

    Entry point: spacy-bert-ner.trim_memory.v1, for `training.before_update`. Batches
    differ in size, so glibc's heap is left with holes that fit none of the next, and
    the process grows to several times of what it uses. Where the C library is
    another, nothing is done, and nothing on a GPU is changed.

    every (int): Steps from one time to the next.
    RETURNS (Callable[[Language, Dict[str, Any]], None]): The callback.
    RAISES (ValueError): If `every` is below 1.
    """
    if every < 1:
        raise ValueError(f"every = {every}, expected at least 1 (before each step).")

    def trim_memory(nlp: Language, info: dict[str, Any]) -> None:
        if info["step"] % every == 0:
            trim_heap()

    return trim_memory


def trim_heap() -> bool:
    """Give the free memory of the heap back.

    RETURNS (bool): Whether the C library can do it: only glibc can.
    """
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True
