"""The GPU that was asked for, and freed memory that is given back."""

import ctypes
import platform
from pathlib import Path

import pytest
import torch

from spacy_bert_ner import machine
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


def set_device(monkeypatch, *, cuda="13.0", available=True, count=1, cupy=True):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(machine, "has_cupy", cupy)
    monkeypatch.setattr(machine, "has_cupy_gpu", cupy)


def test_the_cpu_needs_nothing(monkeypatch):
    set_device(monkeypatch, cuda=None, available=False, cupy=False)
    machine.check_gpu(-1)


def test_a_complete_gpu_passes(monkeypatch):
    set_device(monkeypatch)
    machine.check_gpu(0)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"cuda": None}, "build without CUDA.*pip install --force-reinstall torch"),
        ({"available": False}, "driver is missing.*nvidia-smi"),
        ({"count": 0}, "there are 0, numbered from 0"),
        ({"cupy": False}, "CuPy is missing.*Run `pip install 'cupy-cuda13x>=13.6'`"),
        ({"cupy": False, "cuda": "12.8"}, "Run `pip install 'cupy-cuda12x>=13'`"),
        ({"cupy": False, "cuda": "11.8"}, "Run `pip install cupy-cuda11x`"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, missing, words):
    set_device(monkeypatch, **missing)
    with pytest.raises(ValueError, match=words):
        machine.check_gpu(0)
