"""The shape of each word beside its pieces: what an encoder of lower case does not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from spacy.lang.lex_attrs import word_shape
from spacy.strings import hash_string  # type: ignore[attr-defined]

from .table import EncodeWords

# Name of the table in the encoder's state, behind that of its embeddings.
TABLE = "word_shapes.weight"
# Rows of the table; text has a few hundred frequent shapes.
N_SHAPES = 512


class ShapedEmbedding(torch.nn.Embedding):
    """Embeddings of pieces, with a vector for the shape of the word added.

    One number stands for both: piece + n_pieces * shape. Shape 0 is that of special
    pieces and of padding, adds nothing and does not learn.

    pieces (torch.nn.Embedding): The encoder's own embeddings; their weights are shared.
    shapes (torch.Tensor): A vector for each shape. Shape: (n_shapes, width).
    """

    def __init__(self, pieces: torch.nn.Embedding, shapes: torch.Tensor):
        """Take the weights of the pieces, and put a table beside them."""
        n_pieces, width = pieces.weight.shape
        super().__init__(
            n_pieces, width, padding_idx=pieces.padding_idx, _weight=pieces.weight.detach()
        )
        self.word_shapes = torch.nn.Embedding(
            len(shapes), width, padding_idx=0, _weight=shapes.to(pieces.weight)
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed pieces and the shapes of their words.

        ids (torch.Tensor): Numbers of pieces with shapes. Shape: (…,).
        RETURNS (torch.Tensor): Shape: (…, width).
        """
        pieces = super().forward(ids % self.num_embeddings)
        return pieces + self.word_shapes(ids // self.num_embeddings)


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


def add_shapes(model: Any, shapes: torch.Tensor | None = None) -> None:
    """Have an encoder read shapes; a new table adds zeros.

    model (PreTrainedModel): The encoder.
    shapes (Optional[torch.Tensor]): A trained table; one of zeros if None. Shape:
        (n_shapes, width).
    RAISES (ValueError): If its embeddings are not a plain table.
    """
    pieces = model.get_input_embeddings()
    if type(pieces) is not torch.nn.Embedding:
        raise ValueError(
            f"shapes = true, but the embeddings of {type(model).__name__} are "
            f"{type(pieces).__name__}, expected a plain table, to whose vectors those of shapes "
            "can be added. Set shapes = false."
        )
    if shapes is None:
        shapes = torch.zeros(N_SHAPES, pieces.embedding_dim)
    model.set_input_embeddings(ShapedEmbedding(pieces, shapes))


def split_shapes(
    state: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
    """Part an encoder's weights from its table of shapes.

    state (Dict[str, torch.Tensor]): Weights by name.
    RETURNS (Tuple[Dict[str, torch.Tensor], Optional[torch.Tensor]]): What the encoder
        has without shapes; the table, if there is one.
    """
    plain = {name: X for name, X in state.items() if not name.endswith(TABLE)}
    tables = [X for name, X in state.items() if name.endswith(TABLE)]
    return plain, tables[0] if tables else None


def make_shaped(model: Any, cut: EncodeWords, *, unknown: int) -> EncodeWords:
    """Make what cuts words for an encoder that reads shapes.

    model (PreTrainedModel): The encoder, after `add_shapes`.
    cut (EncodeWords): Cuts words into pieces.
    unknown (int): The piece of a word that has none.
    RETURNS (EncodeWords): Cuts words into pieces with shapes.
    """
    table = model.get_input_embeddings()
    return ShapedCutter(cut, unknown, table.num_embeddings, table.word_shapes.num_embeddings)
