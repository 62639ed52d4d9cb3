"""Memory that does not suffice → smaller parts, or an error that names the setting."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

_Part = TypeVar("_Part")

# What to do where memory does not suffice.
TO_PREDICT = (
    "Set `batch_pieces` of the model lower (or `window`, if one window is too long), or give "
    "`nlp.pipe` a smaller `batch_size`."
)
TO_TRAIN = (
    "Set `pieces` or `sentences` of [training.batcher] lower (with `accumulate_batches` of the "
    "optimizer higher, to learn the same), `batch_pieces` of the model lower, or "
    "`gradient_checkpointing = true`."
)
# What torch's allocators say, in an error of no kind of its own on a processor.
_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error says that memory did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MEMORY)


def run_in_halves(run: Callable[[slice], _Part], n_rows: int) -> list[_Part]:
    """Compute rows at once, or in halves, quarters, … where memory does not suffice.

    run (Callable): Computes some rows.
    n_rows (int): The number of rows.
    RETURNS (List): The parts, in order.
    RAISES (MemoryError, RuntimeError): As raised, if one row alone does not fit.
    """
    todo, done = [slice(0, n_rows)], []
    while todo:
        rows = todo.pop()
        try:
            done.append(run(rows))
            continue
        except (MemoryError, RuntimeError) as error:
            n_here = rows.stop - rows.start
            if n_here < 2 or not is_out_of_memory(error):
                raise
        # What the failed call had computed is gone only now, with its traceback.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        middle = rows.start + n_here // 2
        todo += [slice(middle, rows.stop), slice(rows.start, middle)]
    return done


@contextlib.contextmanager
def explained_memory(advice: str) -> Iterator[None]:
    """Say what to set where memory does not suffice.

    advice (str): What to do, as a sentence.
    RAISES (MemoryError): If memory did not suffice; with torch's error as its cause.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(
            f"The memory does not suffice for the transformer model. {advice}"
        ) from error
