"""The pieces of each window → a mask that knows by itself whether there is padding."""

from collections.abc import Sequence
from typing import Any

import torch


class PaddingMask(torch.Tensor):
    """An encoder's attention mask: 1 for pieces, 0 for padding.

    transformers drops a mask that is full, and asks the device for that, so the host would wait
    for a GPU once or twice a bucket. The host knows the lengths: this mask answers by itself.

    is_full (bool): Whether all windows are as long as the longest.
    """

    is_full: bool

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer `all()`, also after `== 1` or `to()`; all else gives plain tensors."""
        mask = args[0] if args and isinstance(args[0], PaddingMask) else None
        others = args[1:]
        if mask is not None and func in (torch.all, torch.Tensor.all) and not others and not kwargs:
            return torch.tensor(mask.is_full)
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **(kwargs or {}))
        is_one = len(others) == 1 and isinstance(others[0], int) and others[0] == 1
        is_same = func is torch.Tensor.to or (func is torch.Tensor.__eq__ and is_one)
        return _mark(found, mask.is_full) if mask is not None and is_same else found


def make_mask(lengths: torch.Tensor | None, shape: torch.Size, device: torch.device) -> PaddingMask:
    """Make the mask of a bucket.

    lengths (Optional[torch.Tensor]): Pieces of each window; None if all are full.
    shape (torch.Size): (n_windows, n_columns).
    device (torch.device): Where the encoder is.
    RETURNS (PaddingMask): The mask. Shape: (n_windows, n_columns).
    """
    if lengths is None:
        return _mark(torch.ones(shape, dtype=torch.long, device=device), True)
    columns = torch.arange(shape[1], device=device)
    return _mark((columns < lengths[:, None]).long(), False)


def _mark(X: torch.Tensor, is_full: bool) -> PaddingMask:
    mask = X.as_subclass(PaddingMask)
    mask.is_full = is_full
    return mask
