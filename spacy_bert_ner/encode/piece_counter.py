"""An encoder's folder → a counter of wordpieces, and the most pieces it reads at once."""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

from spacy.tokens import Doc
from spacy.training import Example

from ..convert.settings import CountPieces
from ..pieces.cutter import WordCutter, read_word_cutter
from .checkpoint import read_checkpoint

# Words whose number of pieces is cached; even a large corpus has fewer.
N_KEPT = 2**20


class PieceCounter:
    """Counts the pieces of words as the encoder's tokenizer cuts them.

    cutter (WordCutter): The encoder's word cutter.
    """

    def __init__(self, cutter: WordCutter) -> None:
        """Keep the word cutter."""
        self._cutter = cutter

    def __call__(self, words: Sequence[str]) -> list[int]:
        """RETURNS (list[int]): The number of pieces of each word after a space."""
        return [len(pieces) for pieces in self._cutter(words, True)]


def read_piece_counter(folder: Path) -> tuple[CountPieces, int]:
    """Read what the data report needs to know about an encoder.

    folder (Path): A folder in Hugging Face layout.
    RETURNS (tuple[CountPieces, int]): The counter, and the most pieces of a sentence
        that the encoder reads at once.
    RAISES (FileNotFoundError): If the folder or one of its files is missing.
    RAISES (ValueError): If the folder does not hold an encoder that we can use.
    """
    checkpoint = read_checkpoint(folder, attention="sdpa", dropout=None)
    return PieceCounter(checkpoint.cutter), checkpoint.limit - checkpoint.cutter.n_special


def make_count_pieces_v1(name: str) -> Callable[[Example | Doc], int]:
    """Make a function that counts the pieces of an example, for `get_length` of a batcher.

    Entry point: spacy-bert-ner.count_pieces.v1. With exact counts, the sentences of a batch
    have the same number of pieces or nearly so, and the encoder reads the batch in one
    call with little padding. The folder is read when the first example is counted.

    name (str): Local folder of the encoder, in Hugging Face layout; the same as in the
        transformer model.
    RETURNS (Callable[[Example | Doc], int]): Counts the pieces of the predicted doc as
        if each word followed a space, without special pieces.

    EXAMPLE:
    [training.batcher.get_length]
    @misc = "spacy-bert-ner.count_pieces.v1"
    name = ${paths.encoder}
    """

    @cache
    def read_counter() -> PieceCounter:
        return PieceCounter(read_word_cutter(Path(name)))

    @lru_cache(N_KEPT)
    def count_word(word: str) -> int:
        # Whitespace has no pieces, any other word at least one.
        return 0 if word.isspace() else max(1, *read_counter()([word]))

    def count_pieces(item: Example | Doc) -> int:
        doc = item.predicted if isinstance(item, Example) else item
        return sum(count_word(token.text) for token in doc)

    return count_pieces
