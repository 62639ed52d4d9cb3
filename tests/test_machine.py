"""The GPU that was asked for, the processors that may be used, and freed memory."""

import contextlib
import ctypes
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import thinc.util
import torch

from spacy_bert_ner import machine
from spacy_bert_ner import machine as memory
from spacy_bert_ner.machine import count_processors, make_trim_memory_v1, trim_heap


def measure_resident():
    """Memory of this process in MiB, as Linux counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


SHAPES = """
import torch
from spacy_bert_ner.encode.precision import copy_in_precision
from spacy_bert_ner.machine import bound_shapes

bound_shapes(8)
layer = copy_in_precision(torch.nn.Sequential(torch.nn.Linear(384, 384)), torch.bfloat16)
pages = []
with torch.inference_mode():
    for length in range(1, 301):
        layer(torch.zeros(1, length, 384, dtype=torch.bfloat16))
        pages.append(int(open("/proc/self/statm").read().split()[1]))
print((pages[-1] - pages[99]) * 4096 / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own numbers")
@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN has no bfloat16 here"
)
def test_products_of_many_shapes_take_no_more_memory():
    # In a process of its own: the caches are as large as they were at the first product.
    shown = subprocess.run([sys.executable, "-c", SHAPES], capture_output=True, check=True).stdout
    assert float(shown) < 10


def test_caches_that_the_user_has_bounded_stay_so(monkeypatch):
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    machine.bound_shapes(9)
    assert os.environ["LRU_CACHE_CAPACITY"] == "7"
    assert os.environ.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY") == "9"


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


def write_files(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


V1 = "proc/self/cgroup", "3:cpu,cpuacct:/a/b\n2:memory:/a\n"
V2 = "proc/self/cgroup", "0::/a/b\n"
GROUPS = "sys/fs/cgroup/"
OLD = GROUPS + "cpu,cpuacct/"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({V2[0]: V2[1]}, 8),
        ({V2[0]: V2[1], GROUPS + "a/b/cpu.max": "max 100000\n"}, 8),
        ({V2[0]: V2[1], GROUPS + "a/b/cpu.max": "100000 100000\n"}, 1),
        # the group above allows less
        ({V2[0]: V2[1], GROUPS + "a/b/cpu.max": "max 100000", GROUPS + "a/cpu.max": "9 3"}, 3),
        # inside a container, only the top folder is there
        ({V2[0]: V2[1], GROUPS + "cpu.max": "150000 100000\n"}, 2),
        ({V2[0]: V2[1], GROUPS + "cpu.max": "5000 100000\n"}, 1),
        ({V2[0]: V2[1], GROUPS + "cpu.max": "1600000 100000\n"}, 8),
        ({V1[0]: V1[1], OLD + "a/b/cpu.cfs_quota_us": "-1", OLD + "a/b/cpu.cfs_period_us": "9"}, 8),
        ({V1[0]: V1[1], OLD + "a/b/cpu.cfs_quota_us": "8", OLD + "a/b/cpu.cfs_period_us": "4"}, 2),
        ({V1[0]: V1[1], OLD + "cpu.cfs_quota_us": "8", OLD + "cpu.cfs_period_us": "2"}, 4),
        # limits of other groups
        ({V2[0]: V2[1], GROUPS + "c/cpu.max": "1 1"}, 8),
        ({V1[0]: V1[1], GROUPS + "memory/a/cpu.max": "1 1"}, 8),
    ],
)
def test_processors_are_those_that_the_quota_allows(tmp_path, monkeypatch, files, expected):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    write_files(tmp_path, files)
    assert count_processors(tmp_path) == expected


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_processors_are_those_that_the_affinity_allows(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(before)])
    try:
        assert count_processors(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
    assert count_processors(tmp_path) == len(before)


BUSY = {"n_threads": 2, "n_usable": 2, "load": 3.0, "settings": {}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "2 threads, but the load of 2 processors is 3.0, .* Set OMP_WAIT_POLICY=PASSIVE in"),
        ({"load": 2.9}, None),
        ({"load": 0.0, "n_usable": 1}, "this process may use 1 of .* Set OMP_NUM_THREADS=1 in"),
        ({"n_threads": 1}, None),
        ({"settings": {"OMP_WAIT_POLICY": "active"}}, None),
        ({"settings": {"GOMP_SPINCOUNT": "0"}}, None),
    ],
)
def test_a_busy_machine_is_described_with_what_to_set(monkeypatch, changes, words):
    case = {**BUSY, **changes}
    for name in machine.WAIT_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in case["settings"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch, "get_num_threads", lambda: case["n_threads"])
    monkeypatch.setattr(machine, "count_processors", lambda: case["n_usable"])
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (case["load"], 9.0, 9.0))
    found = machine.describe_load()
    assert found is None if words is None else re.search(words, found)


class FakeCuda:
    """CuPy, and what torch has of CUDA, where each step can fail."""

    def __init__(self, *, compile_error=None, dlpack_error=None, product_error=None):
        self.compile_error = compile_error
        self.dlpack_error = dlpack_error
        self.product_error = product_error
        self.cuda = SimpleNamespace(Device=lambda i: contextlib.nullcontext())
        self.asnumpy = np.asarray

    def arange(self, n, dtype):
        if self.compile_error:
            raise self.compile_error
        return np.arange(n, dtype=dtype)

    def from_dlpack(self, x):
        if self.dlpack_error:
            raise self.dlpack_error
        return x.numpy()

    def ones(self, *shape, dtype, device):
        if self.product_error:
            raise self.product_error
        assert device == torch.device("cuda", 0)
        return ONES(*shape, dtype=dtype)


ONES = torch.ones


def set_device(monkeypatch, *, cuda="13.0", available=True, count=1, cupy=True, **errors):
    fake = FakeCuda(**errors)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch, "ones", fake.ones)
    monkeypatch.setattr(thinc.util, "has_cupy", cupy)
    monkeypatch.setattr(thinc.util, "has_cupy_gpu", cupy)
    monkeypatch.setattr(thinc.util, "cupy", fake)


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
        ({"cupy": False}, r"CuPy is missing.*Run `pip install 'cupy-cuda13x\[ctk\]>=14'`"),
        ({"cupy": False, "cuda": "12.8"}, r"Run `pip install 'cupy-cuda12x\[ctk\]>=14'`"),
        ({"cupy": False, "cuda": "11.8"}, "Run `pip install cupy-cuda11x`"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, missing, words):
    set_device(monkeypatch, **missing)
    with pytest.raises(ValueError, match=words):
        machine.check_gpu(0)


# What CuPy and torch say; CuPy's own types of errors derive from these.
NO_NVRTC = "CuPy failed to load libnvrtc.so.12: OSError: libnvrtc.so.12: cannot open shared object"
NO_HEADER = 'catastrophic error: cannot open source file "cuda_fp16.h"'
NO_DRIVER = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime"
NO_BINARY = "CUDA error: no kernel image is available for execution on the device"


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ({"compile_error": RuntimeError(NO_NVRTC)}, "NVRTC is missing .*cupy-cuda13x.ctk.>=14"),
        ({"compile_error": RuntimeError(NO_HEADER)}, "headers of CUDA are missing .*13x.ctk.>=14"),
        ({"compile_error": RuntimeError(NO_DRIVER)}, "the NVIDIA driver is too old"),
        (
            {"compile_error": OSError("libcublas.so.12: cannot open")},
            "a library of CUDA is missing",
        ),
        ({"dlpack_error": BufferError("no such device")}, "cannot share arrays .*no such device"),
        ({"product_error": RuntimeError(NO_BINARY)}, "not built for this GPU .*a build of PyTorch"),
        (
            {"product_error": RuntimeError("odd")},
            r"cannot multiply matrices on it \(odd\)\. Instal",
        ),
    ],
)
def test_a_trial_that_fails_names_what_is_missing(monkeypatch, failing, words):
    set_device(monkeypatch, **failing)
    with pytest.raises(ValueError, match=f"GPU 0 was asked for, but .*{words}.*gpu_id = -1"):
        machine.check_gpu(0)
