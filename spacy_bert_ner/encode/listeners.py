"""Each doc's token vectors → the models of the components after the transformer."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from spacy.attrs import ORTH
from spacy.errors import Errors
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from spacy_transformers.layers import TransformerListener, split_trf_batch, trfs2arrays
from thinc.api import Model, chain
from thinc.types import Floats2d, Ints1d, Ragged

from .trf_data import get_trf_data
from .vectors import DocVectors, TokenBatch, TokenVectors

ListBackprop = Callable[[list[Floats2d]], list[Doc]]


class TokenListener(TransformerListener):
    """Pass the transformer component's token vectors to another component's model.

    It does what spaCy's listener and its pooling do, but needs no alignment: there is
    already one vector per token.

    upstream_name (str): Name of the transformer component; "*" for any.
    """

    name = "token-transformer-listener"

    def __init__(self, upstream_name: str):
        """Wait until spaCy links the component."""
        super().__init__(upstream_name)
        self.replace_callbacks(forward_listener, init=self.init)

    @classmethod
    def get_batch_id(cls, inputs: Sequence[Doc]) -> int:
        """RETURNS (int): The sum of the words' hashes, modulo 2**64."""
        return int(sum(int(doc.to_array(ORTH).sum()) for doc in inputs) % 2**64)

    def receive(self, batch_id: int, outputs: list[TransformerData], backprop: Callable) -> None:
        """Take the batch for the next call of the model.

        batch_id (int): The sum of the words' hashes.
        outputs (List[TransformerData]): Each doc's vectors.
        backprop (Callable): Takes the gradients of all docs that are not empty.
        """
        super().receive(batch_id % 2**64, outputs, backprop)
        if isinstance(outputs, DocVectors):
            outputs.backprop = backprop
            outputs.n_ours += 1


def forward_listener(
    model: TokenListener, docs: Sequence[Doc], is_train: bool
) -> tuple[list[Floats2d], ListBackprop]:
    """Return each doc's token vectors, as received or from `doc._.trf_data`."""
    datas = _take_data(model, docs, is_train)
    width = model.get_dim("nO")
    Xs = [_get_vectors(model, *pair, width) for pair in zip(docs, datas, strict=True)]

    def backprop(dXs: list[Floats2d]) -> list[Doc]:
        parts = [dX for dX in dXs if len(dX)]
        if isinstance(datas, DocVectors):
            datas.has_gradient = True
            if datas.n_ours == datas.n_given and parts:
                # For each part, the component waits once for a GPU.
                parts = [model.ops.xp.concatenate(parts)]
        model.backprop_and_clear([TokenVectors(dX) for dX in parts])
        return list(docs)

    return Xs, backprop


def _take_data(
    model: TokenListener, docs: Sequence[Doc], is_train: bool
) -> Sequence[TransformerData | None]:
    if is_train and model._batch_id is not None:
        model.verify_inputs(docs)
        return model._outputs or []
    datas = [_read_stored(model, get_trf_data(doc)) for doc in docs]
    if is_train and any(data is None and len(doc) for doc, data in zip(docs, datas, strict=True)):
        raise ValueError(Errors.E203.format(name="transformer"))
    return datas


def _read_stored(model: Model, data: TransformerData | None) -> TransformerData | None:
    # `Doc.from_bytes` reads our vectors as spaCy's class: those of pieces without a text are ours
    if data is None or isinstance(data, TokenVectors) or any(map(any, data.wordpieces.strings)):
        return data
    if not data.tensors:
        return None
    X: Floats2d = model.ops.asarray2f(cast(Any, data.model_output).last_hidden_state[0])
    lengths = np.asarray(data.align.lengths)
    has_pieces = isinstance(model, PieceListener) or (lengths != 1).any()
    return TokenVectors(X, lengths if has_pieces else None)


def _get_vectors(model: Model, doc: Doc, data: TransformerData | None, width: int) -> Floats2d:
    if isinstance(data, TokenVectors):
        _check_rows(model, data)
        data.is_read = True
        return data.X
    if data is None or not len(doc):
        return model.ops.alloc2f(len(doc), width)
    raise ValueError(
        "spacy-bert-ner.TransformerListener.v1 found the output of another transformer model, "
        "expected the output of spacy-bert-ner.TransformerModel.v1. Set `@architectures` of the "
        "listener to spacy-transformers.TransformerListener.v1, which works with any model."
    )


def _check_rows(model: Model, data: TokenVectors) -> None:
    wants_pieces = isinstance(model, PieceListener)
    if wants_pieces == (data.lengths is not None):
        return
    wanted, found = ("piece", "token") if wants_pieces else ("token", "piece")
    kind = "Transformer" if wants_pieces else "Piece"
    pooling = "pieces" if wants_pieces else "first"
    raise ValueError(
        f"The listener expects one vector per {wanted}, but found one per {found}. Set "
        f"`@architectures` of the listener to spacy-bert-ner.{kind}Listener.v1, or `pooling` of "
        f'the transformer model to "{pooling}".'
    )


class PieceListener(TokenListener):
    """Pass the vectors of all pieces to another component's model.

    upstream_name (str): Name of the transformer component; "*" for any.
    """

    name = "piece-transformer-listener"

    def __init__(self, upstream_name: str):
        """Wait until spaCy links the component."""
        super().__init__(upstream_name)
        self.replace_callbacks(forward_piece_listener, init=self.init)


def forward_piece_listener(
    model: PieceListener, docs: Sequence[Doc], is_train: bool
) -> tuple[list[Ragged], Callable[[list[Ragged]], list[Doc]]]:
    """Return the vectors of each doc's pieces, grouped by token."""
    datas = _take_data(model, docs, is_train)
    Xs, backprop_rows = forward_listener(model, docs, is_train)
    lengths = [
        data.lengths if isinstance(data, TokenVectors) else np.ones(len(doc), dtype="i")
        for doc, data in zip(docs, datas, strict=True)
    ]
    Xrs = [Ragged(X, cast(Ints1d, np.asarray(rows))) for X, rows in zip(Xs, lengths, strict=True)]

    def backprop(dXrs: list[Ragged]) -> list[Doc]:
        return backprop_rows([cast(Floats2d, dXr.data) for dXr in dXrs])

    return Xrs, backprop


def build_piece_listener_v1(*, upstream: str = "*") -> Model[list[Doc], list[Ragged]]:
    """Build a layer that returns the transformer component's piece vectors.

    Use it with a `transformer` component whose model is
    `spacy-bert-ner.TransformerModel.v1` with `pooling = "pieces"`. A token without
    pieces has one row of zeros.

    upstream (str): Name of the transformer component; "*" for any.
    RETURNS (Model[List[Doc], List[Ragged]]): The layer. Shape of each output's data:
        (n_rows, width); its lengths count the rows of each token.
    """
    return PieceListener(upstream)


def build_transformer_listener_v1(*, upstream: str = "*") -> Model[list[Doc], list[Floats2d]]:
    """Build a layer that returns the transformer component's token vectors.

    Use it in components after a `transformer` whose model is
    `spacy-bert-ner.TransformerModel.v1`. An empty doc has no rows; a doc that the
    transformer has not processed has rows of zeros.

    upstream (str): Name of the transformer component; "*" for any.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer. Shape of each output:
        (n_tokens, width).
    """
    return TokenListener(upstream)


def build_tok2vec_transformer_v1(
    *,
    transformer: Model[list[Doc], FullTransformerBatch],
    pooling: Model[Ragged, Floats2d] | None = None,
    grad_factor: float = 1.0,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a transformer that belongs to one component.

    Use it in place of a listener in a pipeline without a `transformer` component.
    `nlp.replace_listeners` puts it there when it gives a component its own copy.

    transformer (Model[List[Doc], FullTransformerBatch]): The transformer model:
        `spacy-bert-ner.TransformerModel.v1`.
    pooling (Optional[Model[Ragged, Floats2d]]): The pooling of spaCy's own listener, if
        this layer replaces one.
    grad_factor (float): As in spaCy's own listener; needs `pooling`.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer. Shape of each output:
        (n_tokens, width).
    """
    if pooling is None:
        tokens: Model = split_tokens()
        return chain(transformer, tokens)
    split: Model = split_trf_batch()
    pool: Model = trfs2arrays(pooling, grad_factor)
    return chain(chain(transformer, split), pool)


def split_tokens() -> Model[TokenBatch, list[Floats2d]]:
    """RETURNS (Model[TokenBatch, List[Floats2d]]): Splits a batch into docs."""
    return Model("split-tokens", forward_split)


def forward_split(
    model: Model, batch: TokenBatch, is_train: bool
) -> tuple[list[Any], Callable[[list[Any]], TokenBatch]]:
    """Split a batch into the rows of each doc; `backprop` joins their gradients."""
    xp = model.ops.xp
    ends = np.cumsum(batch.row_lengths)[:-1].tolist()

    def backprop(dXs: list[Any]) -> TokenBatch:
        dXs = [dX.data if isinstance(dX, Ragged) else dX for dX in dXs]
        # Ragged forgets the width of an empty doc's rows.
        dXs = [dX for dX in dXs if len(dX)] or dXs[:1]
        return TokenBatch(xp.concatenate(dXs), batch.row_lengths)

    Xs = xp.split(batch.X, ends)
    if batch.lengths is None:
        return Xs, backprop
    lengths: list[Any] = [getattr(data, "lengths", batch.lengths[:0]) for data in batch.doc_data]
    return [Ragged(X, rows) for X, rows in zip(Xs, lengths, strict=True)], backprop


def replace_listener(model: Model, listener: Model, component: object) -> Model:
    """Build what replaces a listener when its component gets its own transformer.

    model (Model): A copy of the transformer component's model.
    listener (Model): The listener, ours or spaCy's.
    component (object): The transformer component.
    RETURNS (Model): The model, followed by a layer with the listener's output.
    """
    is_ours = isinstance(listener, TokenListener)
    return chain(model, split_tokens() if is_ours else split_trf_batch())


def replace_listener_config(transformer: dict, listener: dict) -> dict:
    """Write the config that builds what `replace_listener` returns.

    transformer (dict): Config of the transformer component's model.
    listener (dict): Config of the listener.
    RETURNS (dict): Config of `spacy-bert-ner.Tok2VecTransformer.v1`.
    """
    kept = {key: listener[key] for key in ("pooling", "grad_factor") if key in listener}
    return {
        "@architectures": "spacy-bert-ner.Tok2VecTransformer.v1",
        "transformer": transformer,
        **kept,
    }
