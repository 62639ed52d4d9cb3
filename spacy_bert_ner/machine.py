"""The machine → what of it this process may use: GPU, processors, memory."""

import ctypes
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import thinc.util
import torch
from spacy.language import Language

from .install import install_extra, install_packages
from .ranges import check_range

WAIT_POLICY = "OMP_WAIT_POLICY"
"""What tells OpenMP how its threads wait, before torch is loaded."""
WAIT_SETTINGS = (WAIT_POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
# What bounds the caches that oneDNN, and torch above it, have for each shape of a product.
_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


def make_trim_memory_v1(*, every: int = 10) -> Callable[[Language, dict[str, Any]], None]:
    """Create a callback that returns freed memory to the system during a training run.

    Entry point: spacy-bert-ner.trim_memory.v1, for `training.before_update`. Batches
    differ in size, so glibc's heap gets fragmented and the process grows to several
    times the memory that it uses. The callback does nothing with other C libraries, and
    does not affect GPU memory.

    every (int): Number of steps between two calls.
    RETURNS (Callable[[Language, Dict[str, Any]], None]): The callback.
    RAISES (ValueError): If `every` is below 1.
    """
    check_range("every", every, 1)

    def trim_memory(nlp: Language, info: dict[str, Any]) -> None:
        if info["step"] % every == 0:
            trim_heap()

    return trim_memory


def trim_heap() -> bool:
    """Return the free memory of the heap to the system.

    RETURNS (bool): Whether the C library supports it; only glibc does.
    """
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True


def bound_shapes(n: int = 128) -> None:
    """Bound the memory that torch takes for each shape of a product in bfloat16.

    By default, oneDNN keeps the code for 1,024 shapes, and each thread of torch another
    1,024: a process that reads texts of all lengths grows for hours, by 0.6 MB for a
    shape. This works only before the first product; what the user has set stays.

    n (int): Shapes to keep in each cache. Making the code again takes about 1 ms: with
        128, a server at full load answers a sixth fewer words.
    """
    for name in _CACHES:
        os.environ.setdefault(name, str(n))


def has_active_threads() -> bool:
    """Whether torch has several threads that keep a processor busy while they wait.

    RETURNS (bool): False if the user has set how they wait; True is OpenMP's default.
    """
    return torch.get_num_threads() > 1 and not any(name in os.environ for name in WAIT_SETTINGS)


def describe_load() -> str | None:
    """Say what to set if waiting threads slow training down on this machine.

    RETURNS (Optional[str]): What was found and what to set; None if the processors are
        enough for torch's threads and for the other processes.
    """
    if not has_active_threads():
        return None
    n_threads, n_usable = torch.get_num_threads(), count_processors()
    if n_threads > n_usable:
        found = f"this process may use {n_usable} of the processors"
        advice = f"OMP_NUM_THREADS={n_usable}"
    elif hasattr(os, "getloadavg") and os.getloadavg()[0] >= (os.cpu_count() or 1) + 1:
        found = f"the load of {os.cpu_count()} processors is {os.getloadavg()[0]:.1f}"
        advice = f"{WAIT_POLICY}=PASSIVE"
    else:
        return None
    return (
        f"Training uses {n_threads} threads, but {found}, and threads that wait for each other "
        f"keep a processor busy. Set {advice} in the environment before Python starts: on such a "
        "machine, training is several times as fast."
    )


def count_processors(root: Path = Path("/")) -> int:
    """Count the processors that this process may use.

    The machine may have more: an affinity (`taskset`, Slurm) or a quota of processor time
    (Docker's `--cpus`, a limit in Kubernetes) may give the process a part of them.

    root (Path): Where the file systems `proc` and `sys` are mounted.
    RETURNS (int): The number, at least 1; part of a processor counts as one.
    """
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        n_processors = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        n_processors = len(os.sched_getaffinity(0))
    else:
        n_processors = os.cpu_count()
    return math.ceil(min([n_processors or 1, *_read_quotas(root)]))


def _read_quotas(root: Path) -> Iterator[float]:
    # Of the process's control groups and all groups above them; inside a container, the
    # path is often that of the host, and only the top folder is there.
    cgroups, mounts = root / "proc/self/cgroup", root / "sys/fs/cgroup"
    lines = cgroups.read_text().splitlines() if os.access(cgroups, os.R_OK) else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = mounts / controllers
        group = top / path.lstrip("/")
        for folder in (group, *group.parents[: len(group.parts) - len(top.parts)]):
            quota, period = _read_numbers(folder / "cpu.max")  # version 2
            if not period:
                quota, _ = _read_numbers(folder / "cpu.cfs_quota_us")
                period, _ = _read_numbers(folder / "cpu.cfs_period_us")
            if quota > 0 and period > 0:
                yield quota / period


def _read_numbers(path: Path) -> tuple[int, int]:
    # "100000 100000", "max 100000" or "-1"; no limit is 0.
    texts = path.read_text().split() if os.access(path, os.R_OK) else []
    numbers = [int(text) if text.lstrip("-").isdigit() else 0 for text in texts]
    first, second = (*numbers, 0, 0)[:2]
    return first, second


def name_processor() -> str:
    """RETURNS (str): The name of the processor, as the system has it."""
    path = Path("/proc/cpuinfo")
    text = path.read_text("utf8") if path.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def check_gpu(gpu_id: int) -> None:
    """Check that a requested GPU can be used, before any work is done.

    It computes a little on the GPU: one kernel of CuPy, an array passed between CuPy and
    torch, and one matrix product in the precision that "auto" selects.

    gpu_id (int): Number of the GPU; -1 for the CPU, which always passes.
    RAISES (ValueError): If the driver, PyTorch's CUDA build, CuPy, what CuPy compiles
        with, or the GPU with that number is missing; the message says which, and how to
        fix it.
    """
    if gpu_id < 0:
        return
    asked = f"GPU {gpu_id} was asked for"
    on_cpu = "or use the CPU (`gpu_id = -1`)"
    if torch.version.cuda is None:
        raise ValueError(
            f"{asked}, but PyTorch {torch.__version__} is a build without CUDA. Install one with "
            f"CUDA (`pip install --force-reinstall torch`), {on_cpu}."
        )
    if not torch.cuda.is_available():
        raise ValueError(
            f"{asked}, but PyTorch finds no GPU: the NVIDIA driver is missing, or too old for CUDA "
            f"{torch.version.cuda}. Check `nvidia-smi`, {on_cpu}."
        )
    if gpu_id >= torch.cuda.device_count():
        raise ValueError(
            f"{asked}, but there are {torch.cuda.device_count()}, numbered from 0. Set another "
            f"`gpu_id`, {on_cpu}."
        )
    major = torch.version.cuda.partition(".")[0]
    install = install_extra(f"cuda{major}x") or install_packages([f"cupy-cuda{major}x"])
    if not thinc.util.has_cupy or not thinc.util.has_cupy_gpu:
        raise ValueError(
            f"{asked}, but CuPy is missing or does not match PyTorch's CUDA {torch.version.cuda}. "
            f"Run `{install}`, {on_cpu}."
        )
    device = torch.device("cuda", gpu_id)
    by_cupy = f"Run `{install}`, {on_cpu}."
    _try(_run_kernel, device, f"{asked}, but CuPy cannot compute on it", by_cupy)
    _try(_pass_array, device, f"{asked}, but CuPy and PyTorch cannot share arrays", by_cupy)
    by_torch = (
        "Install a build of PyTorch for this GPU and its driver "
        f"(https://pytorch.org/get-started), {on_cpu}."
    )
    _try(_multiply, device, f"{asked}, but PyTorch cannot multiply matrices on it", by_torch)


# Signs in the errors of CuPy and torch → what they mean.
_SIGNS = (
    ("nvrtc", "the compiler NVRTC is missing"),
    ("(?i)cannot open source file|find CUDA headers|CUDA_PATH", "the headers of CUDA are missing"),
    ("(?i)InsufficientDriver|driver version is insufficient", "the NVIDIA driver is too old"),
    ("(?i)no kernel image|NoBinaryForGpu", "it was not built for this GPU"),
    (r"\.so(\.\d+)*:", "a library of CUDA is missing"),
)


def _try(run: Callable[[torch.device], None], device: torch.device, found: str, do: str) -> None:
    try:
        run(device)
    except (RuntimeError, OSError, ImportError, ValueError, BufferError) as error:
        reason = " ".join(str(error).split())[:300]
        missing = next((f": {text}" for sign, text in _SIGNS if re.search(sign, reason)), "")
        raise ValueError(f"{found}{missing} ({reason}). {do}") from error


def _run_kernel(device: torch.device) -> None:
    cupy = thinc.util.cupy
    with cupy.cuda.Device(device.index):
        # Compiled when it first runs, with NVRTC and CUDA's headers.
        total = int((cupy.arange(4, dtype="float32") * 2).sum())
    if total != 12:
        raise RuntimeError(f"2 * (0 + 1 + 2 + 3) is {total}")


def _pass_array(device: torch.device) -> None:
    cupy = thinc.util.cupy
    with cupy.cuda.Device(device.index):
        array = cupy.arange(4, dtype="float32")
        back = cupy.from_dlpack(torch.from_dlpack(array) + 1)
        if cupy.asnumpy(back).tolist() != [1.0, 2.0, 3.0, 4.0]:
            raise RuntimeError("an array changed on its way")


def _multiply(device: torch.device) -> None:
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    X = torch.ones(16, 16, dtype=torch.bfloat16 if has_bfloat16 else torch.float16, device=device)
    if (X @ X).sum().item() != 16**3:
        raise RuntimeError("the product of two matrices is wrong")
