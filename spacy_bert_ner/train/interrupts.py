"""Ctrl-C and SIGTERM in the middle of a step → the same at its end, when its result is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end of the block; a second one is not delayed.

    SIGTERM is delayed only where the program handles it; otherwise it ends the process at
    once, as it does by default.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals do not interrupt other threads
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers: dict[int, Any] = {
        number: handler for number in numbers if callable(handler := signal.getsignal(number))
    }
    received: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            handlers[number](number, frame)

    for number in handlers:
        signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        handlers[received[0]](received[0], None)
