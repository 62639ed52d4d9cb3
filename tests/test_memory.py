"""Giving freed memory back: when it is done, and that it is gone."""

import ctypes
import platform
from pathlib import Path

import pytest

from spacy_bert_ner import machine as memory
from spacy_bert_ner.machine import make_trim_memory_v1, trim_heap


def measure_resident():
    """Memory of this process in MiB, as Linux counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_holes_in_the_heap_are_given_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    # Blocks below the threshold from which glibc maps each on its own.
    blocks = [libc.malloc(100_000) for _ in range(2000)]
    for block in blocks:
        ctypes.memset(block, 1, 100_000)
    for block in blocks[:-1]:
        libc.free(block)
    full = measure_resident()
    assert trim_heap()
    assert measure_resident() < full - 100
    libc.free(blocks[-1])


def test_it_is_done_every_so_many_steps(monkeypatch):
    steps = []
    callback = make_trim_memory_v1(every=4)
    for step in range(10):
        monkeypatch.setattr(memory, "trim_heap", lambda step=step: steps.append(step))
        callback(None, {"step": step, "epoch": 0})
    assert steps == [0, 4, 8]


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert trim_heap() is False
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert trim_heap() is False


def test_every_is_checked():
    with pytest.raises(ValueError, match="every = 0, expected at least 1"):
        make_trim_memory_v1(every=0)
