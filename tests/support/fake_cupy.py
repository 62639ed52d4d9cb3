"""A stand-in for CuPy: arrays that refuse what CuPy's refuse, and count what a GPU would wait for.

`install` belongs into a process of its own: it changes thinc.
"""

import collections
import contextlib
import operator
import sys
import traceback

import numpy as np
import spacy_transformers  # noqa: F401 - before `install`, which changes what it has imported
import thinc.backends.cupy_ops
import thinc.compat
import thinc.shims.pytorch
import thinc.types
import thinc.util
import torch
from thinc.api import NumpyOps
from thinc.backends import context_pools

TO_DEVICE, TO_HOST = "to device", "to host"
# Each move, by kind; and by kind and place.
MOVES, PLACES = collections.Counter(), collections.Counter()
_INNER = ("fake_cupy", "thinc/backends", "thinc/util", "thinc/types")


UNARY_AND_COMPARISONS = [
    "neg", "pos", "abs", "invert", "lt", "le", "gt", "ge", "eq", "ne", "lshift", "rshift"
]  # fmt: skip


def note(kind):
    MOVES[kind] += 1
    for frame in reversed(traceback.extract_stack()[:-1]):
        if not any(name in frame.filename for name in _INNER):
            PLACES[kind, "/".join(frame.filename.split("/")[-2:]) + f":{frame.lineno}"] += 1
            return


@contextlib.contextmanager
def counting():
    """Give the moves of a block of code, by kind, and `PLACES` for a look at where they are."""
    MOVES.clear()
    PLACES.clear()
    found = {}
    yield found
    found.update({TO_DEVICE: 0, TO_HOST: 0}, **MOVES)


class Flags:
    """The flags of an array that CuPy's know: no others."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata

    def __getitem__(self, name):
        return getattr(self, name.lower())


class ndarray:  # noqa: N801 - CuPy's name
    """An array on a device that is none: `_a` is the numpy array."""

    __slots__ = ("_a",)
    __hash__ = None

    def __init__(self, a):
        self._a = a

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()`.")

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return call(ufunc, *args, **kwargs) if method == "__call__" else NotImplemented

    def __array_function__(self, func, types, args, kwargs):
        return getattr(module, func.__name__)(*args, **kwargs)

    def get(self):
        note(TO_HOST)
        return self._a.copy()

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key):
        return wrap(self._a[unwrap_key(key)])

    def __setitem__(self, key, value):
        self._a[unwrap_key(key)] = unwrap(value)

    def __getattr__(self, name):
        if name == "flags":
            return Flags(self._a.flags)
        found = getattr(self._a, name)
        if name.startswith("__") or name == "ctypes":
            raise AttributeError(name)
        if not callable(found) or isinstance(found, np.dtype):
            return wrap(found)

        def method(*args, **kwargs):
            return call(found, *args, **kwargs)

        return method

    def __copy__(self):
        return wrap(self._a.copy())

    def __deepcopy__(self, memo):
        return wrap(self._a.copy())

    def __reduce__(self):
        return (wrap, (self._a,))

    def __dlpack__(self, **kwargs):
        return self._a.__dlpack__()

    def __dlpack_device__(self):
        return self._a.__dlpack_device__()


def _define_operators():
    def moving(convert):
        def move(self):
            note(TO_HOST)
            return convert(self._a)

        return move

    def binary(name):
        def apply(self, *others):
            return wrap(getattr(self._a, name)(*map(unwrap, others)))

        return apply

    def in_place(name):
        def apply(self, other):
            getattr(self._a, name)(unwrap(other))
            return self

        return apply

    for name, convert in {
        "tolist": np.ndarray.tolist, "item": np.ndarray.item, "__float__": float, "__int__": int,
        "__bool__": bool, "__index__": operator.index,
    }.items():  # fmt: skip
        setattr(ndarray, name, moving(convert))
    both = "add sub mul truediv floordiv mod pow matmul and or xor"
    for name in both.split():
        setattr(ndarray, f"__{name}__", binary(f"__{name}__"))
        setattr(ndarray, f"__r{name}__", binary(f"__r{name}__"))
        if name != "matmul":
            setattr(ndarray, f"__i{name}__", in_place(f"__i{name}__"))
    for name in UNARY_AND_COMPARISONS:
        setattr(ndarray, f"__{name}__", binary(f"__{name}__"))


_define_operators()


def wrap(x):
    if isinstance(x, np.ndarray):
        return ndarray(x)
    if isinstance(x, np.generic):
        return ndarray(np.asarray(x))
    if isinstance(x, list) or (isinstance(x, tuple) and not hasattr(x, "_fields")):
        return type(x)(map(wrap, x))
    return x


def unwrap(x):
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, np.ndarray | torch.Tensor):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, list | tuple):
        return type(x)(map(unwrap, x))
    return x


def unwrap_key(key):
    if isinstance(key, tuple):
        return tuple(map(unwrap_key, key))
    if isinstance(key, np.ndarray | list):
        note(TO_DEVICE)  # CuPy copies it
        return key
    return key._a if isinstance(key, ndarray) else key


def call(function, *args, **kwargs):
    return wrap(function(*map(unwrap, args), **{k: unwrap(x) for k, x in kwargs.items()}))


class Random:
    """A random state of its own, as CuPy's, which cannot be read or set."""

    def __init__(self):
        self.seed(0)

    def seed(self, seed):
        self._state = np.random.RandomState(seed)

    def __getattr__(self, name):
        if name in ("get_state", "set_state"):
            raise AttributeError(name)
        return lambda *args, **kwargs: call(getattr(self._state, name), *args, **kwargs)


class Module:
    """What CuPy has under its own name, and numpy's functions otherwise."""

    ndarray = ndarray
    random = Random()

    def asarray(self, x, dtype=None, order=None):
        if isinstance(x, ndarray):
            return wrap(np.asarray(x._a, dtype=dtype))
        if isinstance(x, list | tuple) and any(isinstance(i, ndarray) for i in x):
            return wrap(np.asarray([i._a for i in x], dtype=dtype))
        note(TO_DEVICE)
        return wrap(np.array(x, dtype=dtype))

    def array(self, x, dtype=None, copy=True, order=None, ndmin=0):
        is_here = isinstance(x, ndarray)
        return wrap(np.array(x._a, dtype=dtype)) if is_here else self.asarray(x, dtype=dtype)

    def ascontiguousarray(self, x, dtype=None):
        is_here = isinstance(x, ndarray)
        return wrap(np.ascontiguousarray(x._a, dtype=dtype)) if is_here else self.asarray(x, dtype)

    def asnumpy(self, x):
        return x.get() if isinstance(x, ndarray) else np.asarray(x)

    def save(self, file, x, **kwargs):
        np.save(file, self.asnumpy(x), **kwargs)

    def load(self, file, **kwargs):
        return wrap(np.load(file, **kwargs))

    def split(self, x, at, axis=0):
        if isinstance(at, ndarray):
            raise TypeError("cupy.split needs its indices on the host")
        return [wrap(part) for part in np.split(unwrap(x), at, axis=axis)]

    def __getattr__(self, name):
        found = getattr(np, name)
        if name.startswith("__") or not callable(found) or isinstance(found, type):
            return found
        return lambda *args, **kwargs: call(found, *args, **kwargs)


module = Module()
KERNELS = [
    "gather_add", "seq2col", "backprop_seq2col", "reduce_sum", "backprop_reduce_sum", "reduce_mean",
    "backprop_reduce_mean", "reduce_max", "backprop_reduce_max", "hash", "maxout",
    "backprop_maxout", "mish", "backprop_mish", "gelu", "backprop_gelu", "swish", "backprop_swish",
    "scatter_add", "adam", "clip_gradient", "pad", "gemm", "affine",
]  # fmt: skip


def make_kernel(name):
    compute, changes = getattr(NumpyOps(), name), name in ("scatter_add", "adam")

    def take(x):
        if isinstance(x, ndarray):
            return x._a if changes else np.ascontiguousarray(x._a)
        if isinstance(x, np.ndarray) and name != "scatter_add":
            raise TypeError(f"{name}: a numpy array was given to a CUDA kernel")
        return type(x)(map(take, x)) if isinstance(x, list | tuple) else x

    def kernel(self, *args, **kwargs):
        return wrap(compute(*map(take, args), **{k: take(x) for k, x in kwargs.items()}))

    return kernel


def install():
    """Make thinc believe that there is a GPU; torch stays on the processor.

    RETURNS (CupyOps): The operations, to be passed to `set_current_ops`.
    """
    replaced = {
        thinc.util.get_torch_default_device: lambda: torch.device("cpu"),
        thinc.util.is_torch_cuda_array: lambda x: isinstance(x, torch.Tensor),
    }
    for loaded in list(sys.modules.values()):
        for name, value in list(vars(loaded).items() if hasattr(loaded, "__dict__") else ()):
            with contextlib.suppress(TypeError):  # not hashable
                if value in replaced:
                    setattr(loaded, name, replaced[value])
    cupy_ops = thinc.backends.cupy_ops
    for place in (thinc.util, thinc.compat, cupy_ops, thinc.types):
        place.cupy, place.has_cupy = module, True
    thinc.util.has_cupy_gpu, thinc.util.has_torch_cuda_gpu = True, False
    thinc.util.cupy_from_dlpack = lambda x: ndarray(
        torch.utils.dlpack.from_dlpack(x).detach().numpy()
    )
    for name in KERNELS:
        setattr(cupy_ops.CupyOps, name, make_kernel(name))
    cupy_ops.CupyOps.xp = module

    class FakeOps(cupy_ops.CupyOps):
        xp = module

        def to_numpy(self, data, *, byte_order=None):
            data = data if isinstance(data, np.ndarray) else data.get()
            return data.astype(data.dtype.newbyteorder(byte_order)) if byte_order else data

    context_pools.get()["pytorch"] = True
    return FakeOps()
