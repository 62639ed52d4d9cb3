"""Items of a long loop → the same items, while the caller watches how far the loop is."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class ShowProgress(Protocol):
    """Gives the items of a loop unchanged, in order, and shows how many were taken."""

    def __call__(
        self, items: Iterable[Item], *, text: str, total: int | None = None
    ) -> Iterable[Item]:
        """Watch a loop.

        items (Iterable[Item]): What the loop goes over; it is read lazily.
        text (str): What happens to the items.
        total (int | None): How many there are; `None` if only their length may say so.
        RETURNS (Iterable[Item]): The items.
        """


def hide_progress(items: Iterable[Item], *, text: str, total: int | None = None) -> Iterable[Item]:
    """Give the items and show nothing: what plain functions do by default."""
    return items
