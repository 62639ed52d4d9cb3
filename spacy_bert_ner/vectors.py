"""Token vectors of a batch → each doc's part, in the form that listeners read."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from spacy.attrs import ORTH
from spacy.errors import Errors
from spacy.tokens import Doc
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    ModelOutput,
    TransformerData,
    WordpieceBatch,
)
from spacy_transformers.layers import TransformerListener, split_trf_batch, trfs2arrays
from thinc.api import Model, chain, get_array_module
from thinc.types import Floats2d, Floats3d, Ints1d, Ragged

ListBackprop = Callable[[list[Floats2d]], list[Doc]]


class TokenVectors(TransformerData):
    """One vector for each token of a doc: a doc's `doc._.trf_data`.

    What stock listeners read beside the vectors is made when they ask for it: one
    "wordpiece" for each token, aligned one to one.

    X (Floats2d): The vectors. Shape: (n_tokens, width), n_tokens > 0.
    """

    def __init__(self, X: Floats2d):
        """Hold the vectors."""
        self.X = X

    @property
    def tensors(self) -> tuple[Floats3d]:
        """RETURNS (Tuple[Floats3d]): The vectors. Shape: (1, n_tokens, width)."""
        return (as_one_row(self.X),)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self.X.shape[1]

    @property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """RETURNS (ModelOutput): The vectors. Shape: (1, n_tokens, width)."""
        return ModelOutput(last_hidden_state=as_one_row(self.X))

    @property
    def wordpieces(self) -> WordpieceBatch:  # type: ignore[override]
        """RETURNS (WordpieceBatch): An empty string for each token."""
        return WordpieceBatch.zeros([len(self.X)])

    @property
    def align(self) -> Ragged:  # type: ignore[override]
        """RETURNS (Ragged): Each token's own row."""
        one = np.ones(len(self.X), dtype="i")
        return Ragged(cast(Ints1d, np.cumsum(one) - 1), cast(Ints1d, one))


class TokenBatch(FullTransformerBatch):
    """One vector for each token of a batch of docs.

    X (Floats2d): The vectors, in document order. Shape: (n_tokens, width).
    doc_lengths (Sequence[int]): Tokens of each doc.
    """

    def __init__(self, X: Floats2d, doc_lengths: Sequence[int]):
        """Hold the vectors and give each doc its part of them."""
        self.X = X
        self.doc_lengths = doc_lengths
        self.cached_doc_data = []
        start = 0
        for n_tokens in doc_lengths:
            part = X[start : start + n_tokens]
            self.cached_doc_data.append(TokenVectors(part) if n_tokens else TransformerData.empty())
            start += n_tokens

    @property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """RETURNS (ModelOutput): The vectors. Shape: (1, n_tokens, width)."""
        return ModelOutput(last_hidden_state=as_one_row(self.X))

    def unsplit_by_doc(self, arrays: list[list[Floats3d]]) -> "TokenBatch":
        """Put the gradients of the docs together.

        arrays (List[List[Floats3d]]): For each doc that is not empty, one array.
            Shape: (1, n_tokens, width).
        RETURNS (TokenBatch): The gradient of this batch.
        """
        xp = get_array_module(self.X)
        return TokenBatch(xp.concatenate([array[0] for (array,) in arrays]), self.doc_lengths)


def as_one_row(X: Floats2d) -> Floats3d:
    """RETURNS (Floats3d): The same vectors. Shape: (1, n_tokens, width)."""
    return cast(Floats3d, X.reshape((1, *X.shape)))


class TokenListener(TransformerListener):
    """Hands the transformer component's token vectors to another component's model.

    Does what the stock listener and its pooling do, without work for each doc's
    alignment: the vectors are per token already.

    upstream_name (str): Name of the transformer component; "*" for any.
    """

    name = "token-listener"

    def __init__(self, upstream_name: str):
        """Wait for the component to be linked."""
        super().__init__(upstream_name)
        self.replace_callbacks(forward_listener, init=self.init)

    @classmethod
    def get_batch_id(cls, inputs: Sequence[Doc]) -> int:
        """RETURNS (int): The sum of the words' hashes, modulo 2**64."""
        return int(sum(int(doc.to_array(ORTH).sum()) for doc in inputs) % 2**64)

    def receive(self, batch_id: int, outputs: list[TransformerData], backprop: Callable) -> None:
        """Take the batch that the next call of the model is about.

        batch_id (int): The sum of the words' hashes.
        outputs (List[TransformerData]): Each doc's vectors.
        backprop (Callable): Takes the gradients of the docs that are not empty.
        """
        super().receive(batch_id % 2**64, outputs, backprop)


def forward_listener(
    model: TokenListener, docs: Sequence[Doc], is_train: bool
) -> tuple[list[Floats2d], ListBackprop]:
    """Give each doc's token vectors, as received or from `doc._.trf_data`."""
    if is_train and model._batch_id is not None:
        model.verify_inputs(docs)
        datas = model._outputs or []
    else:
        datas = [doc._.trf_data for doc in docs]
        if is_train and None in datas:
            raise ValueError(Errors.E203.format(name="transformer"))
    width = model.get_dim("nO")
    Xs = [_get_vectors(model, *pair, width) for pair in zip(docs, datas, strict=True)]

    def backprop(dXs: list[Floats2d]) -> list[Doc]:
        model.backprop_and_clear([TokenVectors(dX) for dX in dXs if len(dX)])
        return list(docs)

    return Xs, backprop


def _get_vectors(model: Model, doc: Doc, data: TransformerData | None, width: int) -> Floats2d:
    if isinstance(data, TokenVectors):
        return data.X
    if data is None or not len(doc):
        return model.ops.alloc2f(len(doc), width)
    raise ValueError(
        "spacy-bert-ner.TransformerListener.v1 found the output of another transformer model, "
        "expected that of spacy-bert-ner.TransformerModel.v1. Set `@architectures` of the listener "
        "to spacy-transformers.TransformerListener.v1, which pools the pieces of any model."
    )


def build_transformer_listener_v1(*, upstream: str = "*") -> Model[list[Doc], list[Floats2d]]:
    """Build a layer that gives the transformer component's token vectors.

    For components behind a `transformer` whose model is
    `spacy-bert-ner.TransformerModel.v1`. An empty doc has no rows; a doc that the
    transformer has not seen has rows of zeros.

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
    """Build a transformer that one component has for itself.

    Takes the place of a listener where there is no `transformer` component, and
    where `nlp.replace_listeners` gives a component its own copy.

    transformer (Model[List[Doc], FullTransformerBatch]): The transformer model:
        `spacy-bert-ner.TransformerModel.v1`.
    pooling (Optional[Model[Ragged, Floats2d]]): As in the stock listener, where it
        takes the place of one.
    grad_factor (float): As in the stock listener; needs `pooling`.
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
    """RETURNS (Model[TokenBatch, List[Floats2d]]): Gives each doc its vectors."""
    return Model("split-tokens", forward_split)


def forward_split(
    model: Model, batch: TokenBatch, is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], TokenBatch]]:
    """Give each doc's rows of the batch; the gradient is put together again."""
    ends = np.cumsum(batch.doc_lengths)[:-1].tolist()

    def backprop(dXs: list[Floats2d]) -> TokenBatch:
        return TokenBatch(model.ops.xp.concatenate(dXs), batch.doc_lengths)

    return model.ops.xp.split(batch.X, ends), backprop


def replace_listener(model: Model, listener: Model, component: object) -> Model:
    """Give what takes a listener's place when it gets its own transformer.

    model (Model): A copy of the transformer component's model.
    listener (Model): The listener, ours or the stock one.
    component (object): The transformer component.
    RETURNS (Model): The model, followed by what gives the listener's output.
    """
    is_ours = isinstance(listener, TokenListener)
    return chain(model, split_tokens() if is_ours else split_trf_batch())


def replace_listener_config(transformer: dict, listener: dict) -> dict:
    """Give the config that builds what `replace_listener` gives.

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
