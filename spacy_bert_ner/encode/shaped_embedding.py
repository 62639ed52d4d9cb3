"""Pieces with shapes → the sum of the vectors of the piece and of its word's shape."""

from typing import Any

import torch

from ..pieces.shapes import N_SHAPES, TABLE, ShapedCutter
from ..pieces.table import EncodeWords
from .onnx_encoder import SIZES, OnnxEncoder


class ShapedEmbedding(torch.nn.Embedding):
    """Embeddings of pieces, plus a vector for the shape of the word.

    One number encodes both: piece + n_pieces * shape. Special pieces and padding have
    shape 0, which adds nothing and does not learn.

    pieces (torch.nn.Embedding): The encoder's own embeddings; their weights are shared.
    shapes (torch.Tensor): A vector for each shape. Shape: (n_shapes, width).
    """

    def __init__(self, pieces: torch.nn.Embedding, shapes: torch.Tensor):
        """Share the weights of the pieces, and add a table of shapes."""
        n_pieces, width = pieces.weight.shape
        super().__init__(
            n_pieces, width, padding_idx=pieces.padding_idx, _weight=pieces.weight.detach()
        )
        self.word_shapes = torch.nn.Embedding(
            len(shapes), width, padding_idx=0, _weight=shapes.to(pieces.weight)
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed pieces and the shapes of their words.

        ids (torch.Tensor): Numbers that encode piece and shape. Shape: (…,).
        RETURNS (torch.Tensor): The sums. Shape: (…, width).
        """
        pieces = super().forward(ids % self.num_embeddings)
        return pieces + self.word_shapes(ids // self.num_embeddings)


def add_shapes(model: Any, shapes: torch.Tensor | None = None) -> None:
    """Make an encoder read word shapes; a new table adds zeros.

    model (PreTrainedModel): The encoder.
    shapes (Optional[torch.Tensor]): A trained table; None for a table of zeros. Shape:
        (n_shapes, width).
    RAISES (ValueError): If the encoder's embeddings are not a plain table.
    """
    pieces = model.get_input_embeddings()
    if type(pieces) is not torch.nn.Embedding:
        raise ValueError(
            f"`shapes = true`, but the embeddings of {type(model).__name__} are "
            f"{type(pieces).__name__}, expected a plain table (torch.nn.Embedding). Set "
            "`shapes = false`."
        )
    if shapes is None:
        shapes = torch.zeros(N_SHAPES, pieces.embedding_dim)
    model.set_input_embeddings(ShapedEmbedding(pieces, shapes))


def split_shapes(
    state: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
    """Separate an encoder's weights from its table of shapes.

    state (Dict[str, torch.Tensor]): Weights by name.
    RETURNS (Tuple[Dict[str, torch.Tensor], Optional[torch.Tensor]]): The weights without
        the table; the table, if there is one.
    """
    plain = {name: X for name, X in state.items() if not name.endswith(TABLE)}
    tables = [X for name, X in state.items() if name.endswith(TABLE)]
    return plain, tables[0] if tables else None


def count_embeddings(model: Any) -> tuple[int, int]:
    """RETURNS (Tuple[int, int]): The pieces and shapes that an encoder knows; 0 for no shapes."""
    if isinstance(model, OnnxEncoder):
        n_pieces, n_shapes = model.get_buffer(SIZES).tolist()
        return n_pieces, n_shapes
    table = model.get_input_embeddings()
    is_shaped = isinstance(table, ShapedEmbedding)
    return table.num_embeddings, table.word_shapes.num_embeddings if is_shaped else 0


def make_shaped(model: Any, cut: EncodeWords, *, unknown: int) -> EncodeWords:
    """Make the word cutter of an encoder that reads shapes.

    model (PreTrainedModel): The encoder, after `add_shapes`.
    cut (EncodeWords): Cuts words into pieces.
    unknown (int): The piece for a word without pieces.
    RETURNS (EncodeWords): Cuts words into pieces with shapes.
    """
    return ShapedCutter(cut, unknown, *count_embeddings(model))
