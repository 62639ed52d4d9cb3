"""The transformer architecture: docs → one vector for each spaCy token."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from spacy.attrs import SENT_START
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch
from thinc.api import Model

from ..pieces.table import Pieces
from ..pieces.windows import Bucket, fill_buckets, split_windows, tokens_to_pieces
from .checkpoint import read_checkpoint
from .listeners import replace_listener, replace_listener_config
from .settings import Settings, check_transformer_settings
from .shim import EncoderShim
from .vectors import TokenBatch

MODEL_NAME = "token-transformer"


class TransformerModel(Model):
    """The thinc model around the encoder; refuses weights of another architecture."""

    def from_dict(self, msg: dict) -> "TransformerModel":
        """Load what `to_dict` gave.

        msg (dict): Names, sizes and the encoder's bytes.
        RETURNS (TransformerModel): This model.
        RAISES (ValueError): If another architecture wrote it.
        """
        names = [node["name"] for node in msg["nodes"]]
        if names != [MODEL_NAME]:
            raise ValueError(
                f"The saved transformer model has the layers {', '.join(names)}, expected "
                f"{MODEL_NAME}: it was trained with another architecture than "
                "spacy-bert-ner.TransformerModel.v1. Set `@architectures` in "
                "[components.transformer.model] of config.cfg back to that one "
                "(spacy-transformers.TransformerModel.v3, if it is spaCy's), or train again with "
                "this one."
            )
        super().from_dict(msg)
        return self


def build_transformer_model_v1(
    *,
    name: str,
    pooling: str = "first",
    window: int | None = None,
    context: int | None = None,
    batch_pieces: int | None = None,
    compute_dtype: str = "auto",
    freeze: str = "none",
    dropout: float | None = None,
    attention_dropout: float | None = None,
    attention: str = "sdpa",
    gradient_checkpointing: bool = False,
    shapes: bool = False,
) -> Model[list[Doc], FullTransformerBatch]:
    """Build the model of a `transformer` component: one vector for each token.

    Docs of any length are read whole: in windows that overlap, each token's
    vector from the window in which it has most context. An empty doc has no
    vectors; a whitespace token has zeros; a word for which the tokenizer has no
    pieces is read as its unknown piece. Weights are read when the pipeline is
    initialised or loaded, not before.

    name (str): Local folder of the encoder, in Hugging Face layout, weights as
        safetensors. Read by `initialize` only: a saved pipeline holds its weights.
    pooling (str): Which of a token's pieces give its vector: "first", "mean", "last";
        with "pieces" each piece has one, for `spacy-bert-ner.PieceListener.v1`.
    window (Optional[int]): Most pieces that are read at once, special ones
        included; the encoder's limit if None.
    context (Optional[int]): Pieces of context on either side where a doc is cut;
        a sixteenth of the window if None.
    batch_pieces (Optional[int]): Most pieces that the encoder computes at once,
        padding included; 1,024 on a processor (2,048 in training) and 32,768 on a
        GPU if None.
    compute_dtype (str): "float32", "bfloat16", "float16", or "auto": bfloat16 on a
        processor that has instructions for it and on GPUs, float16 on GPUs
        without. Weights are kept, trained and saved in float32.
    freeze (str): Weights that training leaves alone: "none", "embeddings", "all",
        or "N layers" (the embeddings and the first N layers). With "embeddings", a
        table of shapes learns all the same.
    dropout (Optional[float]): Dropout rate of the encoder's layers in training;
        the checkpoint's own if None.
    attention_dropout (Optional[float]): Dropout rate of the attention weights; that of
        the layers if None. With 0 attention is computed in one pass: quicker training.
    attention (str): "sdpa" (fused, where the architecture has it) or "eager".
    gradient_checkpointing (bool): Compute activations again in the backward pass
        instead of keeping them: less memory, a third more time.
    shapes (bool): Add a vector for each word's shape (spaCy's, such as `Xxxxx`) to
        those of its pieces, for encoders that read lower case only. It is zero before
        training, and learns at the rate of the last layer; once trained, `freeze` with
        layers keeps it.
    RETURNS (Model[List[Doc], FullTransformerBatch]): The model.
    RAISES (ValueError): If a setting has a value that does not exist.
    """
    settings = Settings(
        name=name,
        pooling=pooling,
        window=window,
        context=context,
        batch_pieces=batch_pieces,
        compute_dtype=compute_dtype,
        freeze=freeze,
        dropout=dropout,
        attention_dropout=attention_dropout,
        attention=attention,
        gradient_checkpointing=gradient_checkpointing,
        shapes=shapes,
    )
    check_transformer_settings(settings)
    return TransformerModel(
        MODEL_NAME,
        forward,
        init=init,
        shims=[EncoderShim(settings)],
        dims={"nO": None},
        attrs={
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_config,
        },
    )


def init(model: Model, X: object = None, Y: object = None) -> Model:
    """Read the encoder from its folder, unless there is one already.

    RAISES (ValueError): If it would get shapes that could not learn.
    """
    shim = get_shim(model)
    if shim.checkpoint is None:
        settings = shim.settings
        if settings.shapes and settings.freeze not in ("none", "embeddings"):
            raise ValueError(
                f'shapes = true with freeze = "{settings.freeze}": the new table of shapes would '
                'stay zero. Set freeze = "none" or "embeddings", or shapes = false.'
            )
        shim.load(read_checkpoint(Path(settings.name), **settings.reading))
    model.set_dim("nO", shim.width)
    return model


def forward(
    model: Model, docs: Sequence[Doc], is_train: bool
) -> tuple[TokenBatch, Callable[[TokenBatch], Sequence[Doc]]]:
    """Give the docs' token vectors, and a callback that takes their gradients."""
    shim = get_shim(model)
    is_learning = is_train and shim.settings.freeze != "all"
    if is_learning:
        shim.handover.settle()
    doc_lengths = [len(doc) for doc in docs]
    buckets, n_pieces = docs_to_buckets(docs, shim, is_train=is_train)
    lengths = None
    if shim.settings.pooling == "pieces":
        # A token without pieces has a row of zeros.
        lengths = np.maximum(n_pieces, 1)
        starts = np.cumsum(lengths) - lengths
        buckets = [tokens_to_pieces(bucket, starts) for bucket in buckets]
    n_rows = sum(doc_lengths) if lengths is None else int(lengths.sum())
    X, backprop_tokens = shim((buckets, n_rows), is_train)
    batch = TokenBatch(X, doc_lengths, lengths)
    if is_learning:
        shim.handover.begin(batch.doc_data)

    def backprop(d_batch: TokenBatch) -> Sequence[Doc]:
        backprop_tokens(d_batch.X)
        return docs

    return batch, backprop


def get_shim(model: Model) -> EncoderShim:
    """RETURNS (EncoderShim): What holds the encoder of a transformer model."""
    return cast(EncoderShim, model.shims[0])


def docs_to_buckets(
    docs: Sequence[Doc], shim: EncoderShim, *, is_train: bool = False
) -> tuple[list[Bucket], np.ndarray]:
    """Cut docs into pieces, windows and padded buckets.

    docs (Sequence[Doc]): The docs.
    shim (EncoderShim): The encoder and its settings.
    is_train (bool): Whether gradients will follow.
    RETURNS (Tuple[List[Bucket], Ints1d]): What the encoder reads, longest windows
        first; the pieces of each token. Shape: (n_tokens,).
    """
    if not any(len(doc) for doc in docs):
        return [], np.zeros(0, dtype=int)
    checkpoint, table = shim.require()
    pieces = table.lookup(docs)
    _warn_of_cut_words(pieces, shim.size)
    doc_lengths = np.array([len(doc) for doc in docs])
    offsets = np.concatenate([[0], np.cumsum(pieces.lengths)])
    ends = np.cumsum(doc_lengths)
    is_long = offsets[ends] - offsets[ends - doc_lengths] > shim.size
    windows = split_windows(
        pieces.lengths,
        doc_lengths,
        size=shim.size,
        context=shim.context,
        sent_starts={row: _find_sents(docs[row]) for row in np.flatnonzero(is_long).tolist()},
    )
    buckets = fill_buckets(
        pieces,
        windows,
        budget=shim.find_batch_pieces(is_train=is_train),
        prefix=checkpoint.cutter.prefix,
        suffix=checkpoint.cutter.suffix,
        pad=checkpoint.pad,
    )
    return list(buckets), pieces.lengths


def _find_sents(doc: Doc) -> np.ndarray:
    # a sentence's first token has 1, and tokens of an unsplit doc 0 or -1
    has_sents = doc.has_annotation("SENT_START")
    return np.flatnonzero(doc.to_array(SENT_START) == 1) if has_sents else np.zeros(0, dtype=int)


def _warn_of_cut_words(pieces: Pieces, size: int) -> None:
    if pieces.n_cut:
        warnings.warn(
            f"{pieces.n_cut} words of this batch have more than {size} pieces, the most that fit "
            "into a window: only their first pieces are read. Such words are rarely text; if they "
            "are, set a tokenizer that splits them.",
            stacklevel=2,
        )
