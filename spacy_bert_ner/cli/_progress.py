"""Items of a long loop → a progress bar on stderr, if a terminal is there to show it."""

from collections.abc import Iterable

from tqdm import tqdm

from ..progress import Item


def show_progress(items: Iterable[Item], *, text: str, total: int | None = None) -> Iterable[Item]:
    """Show a bar on stderr until the items end; nothing if stderr is no terminal.

    items (Iterable[Item]): What a loop goes over.
    text (str): What happens to the items.
    total (int | None): How many there are; `None` if only their length may say so.
    RETURNS (Iterable[Item]): The items.
    """
    return tqdm(items, desc=text, total=total, leave=False, disable=None)
