"""Dropout and attention of a training step on a CPU, in less time than torch's own."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import dropout, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

BITS = 16
SHARES = 2**BITS


class QuickTraining(TorchFunctionMode):
    """A context in which an encoder's dropout and attention take less time on a CPU.

    Torch's masks of dropout take a tenth of a training step; see `drop`. Its gradient of
    attention in bfloat16 takes five times as long as in float32, because it multiplies the
    small matrices of each head in a call of oneDNN each, so attention is computed in float32.

    generator (torch.Generator): What draws.
    """

    def __init__(self, generator: torch.Generator):
        """Draw from a generator."""
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, or what stands in for it."""
        named = kwargs or {}
        if func is dropout and not named.get("inplace"):
            return self._drop(*args, **named)
        if func is scaled_dot_product_attention:
            return self._attend(*args, **named)
        return func(*args, **named)

    def _drop(
        self,
        input: torch.Tensor,  # noqa: A002 - the name is torch's
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> torch.Tensor:
        if input.device.type != "cpu":
            return dropout(input, p, training, inplace)
        return drop(input, p, self.generator) if training else input

    def _attend(self, *args: Any, **named: Any) -> torch.Tensor:
        query = args[0] if args else named["query"]
        if query.device.type != "cpu":
            return scaled_dot_product_attention(*args, **named)
        wide = [_widen(X) for X in args]
        wide_named = {name: _widen(X) for name, X in named.items()}
        with torch.autocast("cpu", enabled=False):
            return self._attend_wide(*wide, **wide_named).to(query.dtype)

    def _attend_wide(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **named: Any,
    ) -> torch.Tensor:
        if not dropout_p or is_causal or named.get("enable_gqa"):
            return scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, **named
            )
        scale = named.get("scale") or 1 / math.sqrt(query.shape[-1])
        scores = (query * scale) @ key.transpose(-2, -1)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
        elif attn_mask is not None:
            scores = scores + attn_mask
        return drop(scores.softmax(-1), dropout_p, self.generator) @ value


def make_checkpoint_contexts() -> tuple[Any, Any]:
    """Make the contexts of gradient checkpointing, for `context_fn` of torch.

    The backward pass is a function of torch too, in which a mode that is on is off. Torch sets
    its default generator back before it computes activations again.

    RETURNS (Tuple[AbstractContextManager, AbstractContextManager]): Around the first
        computation, and around the second one.
    """
    return contextlib.nullcontext(), QuickTraining(torch.default_generator)


def _widen(X: Any) -> Any:
    return X.float() if isinstance(X, torch.Tensor) and X.is_floating_point() else X


def drop(X: torch.Tensor, rate: float, generator: torch.Generator) -> torch.Tensor:
    """Drop values, each by 16 random bits, on a CPU.

    One draw of 64 bits serves four values, so the rate is rounded to a multiple of 1/65,536,
    and the values that are kept are scaled by the rounded rate.

    X (torch.Tensor): The values, of any shape.
    rate (float): The share to drop, from 0 to 1.
    generator (torch.Generator): What draws.
    RETURNS (torch.Tensor): The values scaled by 1 / (1 - rate), or 0.

    EXAMPLE:
        >>> sorted(set(drop(torch.ones(999), 0.25, torch.default_generator).tolist()))
        [0.0, 1.3333333730697632]
    """
    n_dropped = round(rate * SHARES)
    if not n_dropped:
        return X
    if n_dropped == SHARES:
        return X * 0
    words = torch.empty(-(-X.numel() * BITS // 64), dtype=torch.int64, device=X.device)
    # Without both limits, the highest bit of each draw would be 0.
    words.random_(-(2**63), None, generator=generator)
    bits = words.view(torch.int16)[: X.numel()].view(X.shape)
    kept = bits >= n_dropped - SHARES // 2
    return X * kept.to(X.dtype).mul_(SHARES / (SHARES - n_dropped))
