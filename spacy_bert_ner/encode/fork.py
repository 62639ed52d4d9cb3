"""A forked process → one torch thread, where more threads would hang."""

import os
import threading

import torch

_is_new_child = threading.Event()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_is_new_child.set)


def use_one_thread_in_a_fork() -> None:
    """Limit torch to one thread if this process was forked.

    A fork does not copy the parent's threads, and torch would wait for them for ever. A
    process that starts afresh (spawned, for example) keeps all its threads.
    """
    if _is_new_child.is_set():
        torch.set_num_threads(1)
        _is_new_child.clear()
