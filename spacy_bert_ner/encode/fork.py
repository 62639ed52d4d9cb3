"""A forked process → one thread of torch, where more would hang."""

import os
import threading

import torch

_is_new_child = threading.Event()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_is_new_child.set)


def use_one_thread_in_a_fork() -> None:
    """Have torch use one thread if this process was forked from another one.

    The threads that torch had in the first process are not in its copy, which would
    wait for them. A process that starts anew, with a pickle for example, keeps its own.
    """
    if _is_new_child.is_set():
        torch.set_num_threads(1)
        _is_new_child.clear()
