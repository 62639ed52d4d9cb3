"""A device → the precision the encoder computes in, and a copy of it in that precision."""

import contextlib
import copy
import functools
from collections.abc import Iterator

import torch


@functools.cache
def find_dtype(name: str, device: torch.device) -> torch.dtype:
    """Find the precision to compute in.

    "auto" is bfloat16 on CPUs and GPUs that have instructions for it (without them it is
    far slower than float32), float16 on other CUDA GPUs, and float32 elsewhere.

    name (str): "auto", "float32", "bfloat16" or "float16".
    device (torch.device): Where the encoder runs.
    RETURNS (torch.dtype): The type.
    """
    if name != "auto":
        return getattr(torch, name)
    if device.type == "cuda":
        return (
            torch.bfloat16
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float16
        )
    is_quick = device.type == "cpu" and _has_bfloat16_instructions()
    return torch.bfloat16 if is_quick else torch.float32


def _has_bfloat16_instructions() -> bool:
    if not hasattr(torch.cpu, "get_capabilities"):  # torch 2.10
        return torch.cpu._is_avx512_bf16_supported()
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"))


@torch.inference_mode(False)
@torch.no_grad()
def copy_in_precision(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """Copy a model with its weights in another precision, to predict with.

    Buffers keep their precision: tables of angles (RoPE) would lose whole positions. On a
    CPU, the linear layers of a copy in bfloat16 are packed; their results are the same.

    model (torch.nn.Module): The model.
    dtype (torch.dtype): The precision of the weights.
    RETURNS (torch.nn.Module): The copy.
    """
    # The weights are converted without being copied in their own precision first.
    memo = {id(p): torch.nn.Parameter(p.to(dtype), p.requires_grad) for p in model.parameters()}
    copied = copy.deepcopy(model, memo)
    if dtype == torch.bfloat16 and _can_pack():
        for module in list(copied.modules()):
            for name, child in module.named_children():
                if type(child) is torch.nn.Linear and child.weight.device.type == "cpu":
                    setattr(module, name, PackedLinear(child))
    return copied


class PackedLinear(torch.nn.Module):
    """A linear layer with its weights in the order in which oneDNN multiplies them.

    torch's own layer puts them in this order again in each call, which takes a third of the
    time for one sentence, and 15% for a full bucket.

    linear (torch.nn.Linear): The layer, with weights in bfloat16.
    """

    def __init__(self, linear: torch.nn.Linear):
        """Pack the weights."""
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.bias = linear.bias

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Multiply.

        X (torch.Tensor): Shape: (..., n_in).
        RETURNS (torch.Tensor): Shape: (..., n_out).
        """
        return torch.ops.mkldnn._linear_pointwise(X, self.weight, self.bias, "none", [], "")


def _can_pack() -> bool:
    # torch.compile uses these operations too; a build of torch may lack them.
    ops = torch.ops.mkldnn
    names = ("_is_mkldnn_bf16_supported", "_reorder_linear_weight", "_linear_pointwise")
    return all(hasattr(ops, name) for name in names) and ops._is_mkldnn_bf16_supported()


def on_device(device: torch.device) -> contextlib.AbstractContextManager:
    """Return a context in which torch creates tensors on a device.

    Hugging Face creates some on torch's default device, which the application may change.

    device (torch.device): Where the encoder runs.
    RETURNS (AbstractContextManager): The context.
    """
    default = torch.get_default_device().type
    return contextlib.nullcontext() if default in ("cpu", device.type) else device


@contextlib.contextmanager
def predicting(device: torch.device) -> Iterator[None]:
    """Compute without gradients, whatever modes of torch the calling thread has set.

    device (torch.device): Where the encoder runs.
    """
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        torch.autocast(device.type, enabled=False),
        on_device(device),
    ):
        yield
