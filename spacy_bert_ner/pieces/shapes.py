"""Words → pieces that carry the word's shape, which uncased encoders do not see."""

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.lang.lex_attrs import word_shape
from spacy.strings import hash_string  # type: ignore[attr-defined]

from .table import EncodeWords

# Name of the table in the encoder's state, after the name of its embeddings.
TABLE = "word_shapes.weight"
# Rows of the table; a few hundred shapes are frequent in text.
N_SHAPES = 512


@dataclass(frozen=True)
class ShapedCutter:
    """Cut words into pieces that carry the shape of their word.

    cut (EncodeWords): Cuts words into pieces.
    unknown (int): The piece for a word without pieces.
    n_pieces (int): The number of pieces that the encoder knows.
    n_shapes (int): The number of shapes that it knows.
    """

    cut: EncodeWords
    unknown: int
    n_pieces: int
    n_shapes: int

    def __call__(self, words: Sequence[str], blank: bool) -> list[list[int]]:
        """Cut words.

        words (Sequence[str]): The words; none is empty.
        blank (bool): Whether there is a space before each of them.
        RETURNS (List[List[int]]): The input of `ShapedEmbedding` for each word.
        RAISES (ValueError): If the tokenizer gives a piece that the encoder does not know.
        """
        shaped = []
        for word, ids in zip(words, self.cut(words, blank), strict=True):
            if max(ids, default=0) >= self.n_pieces:
                raise ValueError(
                    f"'{word}' has the piece {max(ids)}, but the encoder knows {self.n_pieces} "
                    "pieces: its tokenizer has been extended. Resize the encoder's embeddings "
                    "(`resize_token_embeddings`) and save it again."
                )
            shift = self.n_pieces * find_shape(word, self.n_shapes)
            shaped.append([piece + shift for piece in ids or [self.unknown]])
        return shaped


def find_shape(word: str, n_shapes: int = N_SHAPES) -> int:
    """Find the row of a word's shape (spaCy's: `Xxxxx`, `X.X.`, `dd-dd`).

    word (str): The word.
    n_shapes (int): The number of rows of the table.
    RETURNS (int): From 1 to n_shapes - 1; some shapes share a row.

    EXAMPLE:
    >>> find_shape("London") == find_shape("Berlin") != find_shape("berlin")
    True
    """
    return hash_string(word_shape(word)) % (n_shapes - 1) + 1
