"""Words → the shape of each, next to its pieces: what an uncased encoder does not see."""

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.lang.lex_attrs import word_shape
from spacy.strings import hash_string  # type: ignore[attr-defined]

from .table import EncodeWords

# Name of the table in the encoder's state, after that of its embeddings.
TABLE = "word_shapes.weight"
# Rows of the table; text has a few hundred frequent shapes.
N_SHAPES = 512


@dataclass(frozen=True)
class ShapedCutter:
    """Cuts words into pieces that carry the shape of their word.

    cut (EncodeWords): Cuts words into pieces.
    unknown (int): The piece of a word that has none.
    n_pieces (int): Pieces that the encoder knows.
    n_shapes (int): Shapes that it knows.
    """

    cut: EncodeWords
    unknown: int
    n_pieces: int
    n_shapes: int

    def __call__(self, words: Sequence[str], blank: bool) -> list[list[int]]:
        """Cut words.

        words (Sequence[str]): The words; none is empty.
        blank (bool): Whether a blank stands before each of them.
        RETURNS (List[List[int]]): For each word the numbers that `ShapedEmbedding` takes.
        RAISES (ValueError): If the tokenizer gives a piece that the encoder does not know.
        """
        shaped = []
        for word, ids in zip(words, self.cut(words, blank), strict=True):
            if max(ids, default=0) >= self.n_pieces:
                raise ValueError(
                    f"'{word}' has the piece {max(ids)}, but the encoder knows {self.n_pieces}: "
                    "its tokenizer was given more. Resize the encoder's embeddings "
                    "(`resize_token_embeddings`) and save it again."
                )
            shift = self.n_pieces * find_shape(word, self.n_shapes)
            shaped.append([piece + shift for piece in ids or [self.unknown]])
        return shaped


def find_shape(word: str, n_shapes: int = N_SHAPES) -> int:
    """Give the row of a word's shape, which is spaCy's: `Xxxxx`, `X.X.`, `dd-dd`.

    word (str): The word.
    n_shapes (int): Rows of the table.
    RETURNS (int): From 1 to n_shapes - 1; some shapes share a row.

    EXAMPLE:
    >>> find_shape("London") == find_shape("Berlin") != find_shape("berlin")
    True
    """
    return hash_string(word_shape(word)) % (n_shapes - 1) + 1
