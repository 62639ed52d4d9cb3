"""An encoder's folder → how many wordpieces words have, and how many it sees at once."""

from collections.abc import Sequence
from pathlib import Path

from .checkpoint import Checkpoint, read_checkpoint
from .conversion import CountPieces


class PieceCounter:
    """Counts the pieces of words as the encoder's tokenizer cuts them.

    checkpoint (Checkpoint): The encoder.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Keep the encoder's word cutter."""
        self._checkpoint = checkpoint

    def __call__(self, words: Sequence[str]) -> list[int]:
        """RETURNS (list[int]): Pieces of each word, standing behind a blank."""
        return [len(pieces) for pieces in self._checkpoint.encode_words(words, True)]


def read_piece_counter(folder: Path) -> tuple[CountPieces, int]:
    """Read what the data report asks of an encoder.

    folder (Path): A folder in Hugging Face layout.
    RETURNS (tuple[CountPieces, int]): The counter, and the most pieces of a sentence
        that fit between the special ones.
    RAISES (FileNotFoundError): If the folder or one of its files is not there.
    RAISES (ValueError): If it is no encoder that we can use.
    """
    checkpoint = read_checkpoint(folder, attention="sdpa", dropout=None)
    n_special = len(checkpoint.prefix) + len(checkpoint.suffix)
    return PieceCounter(checkpoint), checkpoint.limit - n_special
