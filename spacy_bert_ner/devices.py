"""The device that was asked for → whether it can be used, before any work is done."""

import torch
from thinc.util import has_cupy, has_cupy_gpu


def check_gpu(gpu_id: int) -> None:
    """Check that the GPU asked for can be used, before any work is done.

    gpu_id (int): Number of the GPU; -1 for the CPU, which always passes.
    RAISES (ValueError): If the driver, PyTorch's CUDA build, CuPy or the GPU with
        that number is missing; the message names which, and the command that helps.
    """
    if gpu_id < 0:
        return
    asked = f"GPU {gpu_id} was asked for (vars.gpu_id)"
    on_cpu = "or use the CPU with `--vars.gpu_id -1`"
    if torch.version.cuda is None:
        raise ValueError(
            f"{asked}, but PyTorch {torch.__version__} is a build without CUDA. Install one with "
            f"it (`pip install --force-reinstall torch`), {on_cpu}."
        )
    if not torch.cuda.is_available():
        raise ValueError(
            f"{asked}, but PyTorch finds no GPU: the NVIDIA driver is missing, or too old for CUDA "
            f"{torch.version.cuda}. Check `nvidia-smi`, {on_cpu}."
        )
    if gpu_id >= torch.cuda.device_count():
        raise ValueError(
            f"{asked}, but there are {torch.cuda.device_count()}, numbered from 0. Give another "
            f"number, {on_cpu}."
        )
    if not has_cupy or not has_cupy_gpu:
        extra = f"cuda{torch.version.cuda.partition('.')[0]}x"
        raise ValueError(
            f"{asked}, but CuPy is missing or does not fit PyTorch's CUDA {torch.version.cuda}. "
            f"Install it with `pip install 'spacy-bert-ner[{extra}]'`, {on_cpu}."
        )
