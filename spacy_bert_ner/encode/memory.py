"""Too little memory → smaller parts, or an error that names the setting."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import thinc.util
import torch

_Part = TypeVar("_Part")

# What to do when memory runs out.
TO_PREDICT = (
    "Lower `batch_pieces` of the model (or `window`, if one window is too long), or give "
    "`nlp.pipe` a smaller `batch_size`."
)
TO_TRAIN = (
    "Training keeps the activations of the whole batch: lower `pieces` of [training.batcher]; or "
    "raise `accumulate_gradient` of [training], which learns the same in smaller parts; or set "
    "`gradient_checkpointing = true` of the transformer's model."
)
# What torch's allocators, oneDNN and ONNX Runtime say, in a plain RuntimeError on a CPU.
_MEMORY = re.compile(
    "(can't|Failed to) allocate memory|not enough memory|out of memory|bad_alloc"
    "|could not create a (primitive|memory object)(?! descriptor)"
)


def is_out_of_memory(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _MEMORY.search(str(error)) is not None


def run_in_halves(run: Callable[[slice], _Part], n_rows: int) -> list[_Part]:
    """Compute all rows at once, or in halves, quarters, … when memory runs out.

    run (Callable): Computes a slice of the rows.
    n_rows (int): The number of rows.
    RETURNS (List): The parts, in order.
    RAISES (MemoryError, RuntimeError): If a single row does not fit.
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
        # The traceback kept what the failed call had computed; it is free only now.
        free_gpu_memory()
        middle = rows.start + n_here // 2
        todo += [slice(middle, rows.stop), slice(rows.start, middle)]
    return done


def free_gpu_memory() -> None:
    """Return the memory that torch and CuPy keep for later use, so that both can have it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if thinc.util.has_cupy_gpu:
        thinc.util.cupy.get_default_memory_pool().free_all_blocks()


@contextlib.contextmanager
def explained_memory(advice: str) -> Iterator[None]:
    """Add advice to the error when memory runs out.

    advice (str): What to do, as a sentence.
    RAISES (MemoryError): If memory runs out; its cause is torch's error.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        free_gpu_memory()
        raise MemoryError(f"Not enough memory for the transformer model. {advice}") from error
