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
from .settings import PART_PIECES, Settings, check_trainable, check_transformer_settings
from .shim import EncoderShim
from .trf_data import get_trf_data
from .vectors import DocVectors, TokenBatch, is_unread

MODEL_NAME = "token-transformer"


class TransformerModel(Model):
    """The thinc model of the encoder; refuses the weights of another architecture."""

    def from_dict(self, msg: dict) -> "TransformerModel":
        """Load what `to_dict` returned.

        msg (dict): Names, sizes and the encoder's bytes.
        RETURNS (TransformerModel): This model.
        RAISES (ValueError): If the model was saved with another architecture.
        """
        names = [node["name"] for node in msg["nodes"]]
        if names != [MODEL_NAME]:
            raise ValueError(
                f"The saved transformer model has the layers {', '.join(names)}, expected "
                f"{MODEL_NAME}: it was trained with another architecture than "
                "spacy-bert-ner.TransformerModel.v1. Set `@architectures` in "
                "[components.transformer.model] of config.cfg to the architecture it was trained "
                "with (spacy-transformers.TransformerModel.v3, if it is spaCy's), or train again."
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
    layers: int | None = None,
    threads: int | None = None,
    engine: str = "torch",
) -> Model[list[Doc], FullTransformerBatch]:
    """Build the model of a `transformer` component: one vector for each token.

    The model reads docs of any length in full. It cuts long docs into overlapping
    windows and takes each token's vector from the window that gives it the most
    context. An empty doc has no vectors; a whitespace token has a vector of zeros; a
    word without pieces is read as the tokenizer's unknown piece. The weights are read
    when the pipeline is initialised or loaded, not before.

    name (str): Local folder of the encoder, in Hugging Face layout with safetensors
        weights. Only `initialize` reads it: a saved pipeline holds its own weights.
    pooling (str): Which of a token's pieces give its vector: "first", "mean" or "last".
        "pieces" keeps one vector per piece, for `spacy-bert-ner.PieceListener.v1`.
    window (Optional[int]): The most pieces to read at once, special pieces included;
        None for the encoder's limit.
    context (Optional[int]): Pieces of context on each side of a cut; None for a
        sixteenth of the window.
    batch_pieces (Optional[int]): The most pieces to compute at once, padding included;
        None for 1,024 on a CPU (2,048 in training) and 32,768 on a GPU.
    compute_dtype (str): "float32", "bfloat16", "float16" or "auto": bfloat16 on CPUs and
        GPUs with instructions for it, float16 on other CUDA GPUs, float32 elsewhere.
        Weights are kept, trained and saved in float32.
    freeze (str): Weights that training does not change: "none", "embeddings", "all" or
        "N layers" (the embeddings and the first N layers). With "embeddings", a table of
        shapes still learns.
    dropout (Optional[float]): Dropout rate of the encoder's layers in training; None
        for the checkpoint's.
    attention_dropout (Optional[float]): Dropout rate of the attention weights; None for
        that of the layers. Set it to 0 to train faster: attention then takes one pass.
    attention (str): "sdpa" (fused, if the encoder supports it) or "eager".
    gradient_checkpointing (bool): Recompute activations in the backward pass instead of
        keeping them, which saves memory and takes a third more time.
    shapes (bool): Add a vector for the word's shape (spaCy's, such as `Xxxxx`) to each
        of its pieces. Use it with uncased encoders. The vectors start at zero and learn
        at the rate of the last layer. Once they are trained, `freeze = "N layers"` keeps
        them.
    layers (Optional[int]): Keep only the first layers of the encoder, which is that much
        faster; None for all. The rest should be learned from a teacher (`bert-ner teach`).
    threads (Optional[int]): Parts of a batch to compute at the same time on a CPU, by one
        thread each. None for as many as the process may use: its processors (affinity and
        container quota), but no more than torch's threads (`OMP_NUM_THREADS`,
        `torch.set_num_threads`). The vectors do not depend on it, and nor does what a batch
        of at least so many parts teaches.
    engine (str): What computes the encoder: "torch", or "onnx" for ONNX Runtime with weights
        in int8, on the CPU and for prediction only. `python -m spacy bert-ner quantize`
        makes a pipeline with it.
    RETURNS (Model[List[Doc], FullTransformerBatch]): The model.
    RAISES (ValueError): If a setting has an invalid value.
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
        layers=layers,
        threads=threads,
        engine=engine,
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
    """Read the encoder from its folder, unless the model already has one.

    RAISES (ValueError): If new shapes would be frozen.
    """
    shim = get_shim(model)
    if shim.checkpoint is None:
        settings = shim.settings
        if settings.shapes and settings.freeze not in ("none", "embeddings"):
            raise ValueError(
                f'`shapes = true` with `freeze = "{settings.freeze}"`: the new table of shapes '
                'would stay zero. Set `freeze` to "none" or "embeddings", or `shapes = false`.'
            )
        shim.load(read_checkpoint(Path(settings.name), **settings.reading))
    model.set_dim("nO", shim.width)
    return model


def forward(
    model: Model, docs: Sequence[Doc], is_train: bool
) -> tuple[TokenBatch, Callable[[TokenBatch], Sequence[Doc]]]:
    """Return the token vectors, and a callback that takes their gradients."""
    shim = get_shim(model)
    is_learning = is_train and shim.settings.freeze != "all"
    if is_learning:
        check_trainable(shim.settings)
        shim.handover.settle()
    elif not is_train:
        _warn_of_unread(docs, shim.id)
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
    for data in cast(DocVectors, batch.cached_doc_data):
        data.owner = shim.id  # type: ignore[attr-defined]
    if is_learning:
        shim.handover.begin(cast(DocVectors, batch.cached_doc_data))

    def backprop(d_batch: TokenBatch) -> Sequence[Doc]:
        backprop_tokens(d_batch.X)
        return docs

    return batch, backprop


def get_shim(model: Model) -> EncoderShim:
    """RETURNS (EncoderShim): The shim that holds the encoder of a transformer model."""
    return cast(EncoderShim, model.shims[0])


def docs_to_buckets(
    docs: Sequence[Doc], shim: EncoderShim, *, is_train: bool = False
) -> tuple[list[Bucket], np.ndarray]:
    """Cut docs into pieces, windows and padded buckets.

    docs (Sequence[Doc]): The docs.
    shim (EncoderShim): The encoder and its settings.
    is_train (bool): Whether gradients will follow.
    RETURNS (Tuple[List[Bucket], Ints1d]): The encoder's input, longest windows first;
        the number of pieces of each token. Shape: (n_tokens,).
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
        budget=shim.settings.find_batch_pieces(shim.device.type, is_train=is_train),
        part=PART_PIECES if is_train and shim.device.type == "cpu" else None,
        prefix=checkpoint.cutter.prefix,
        suffix=checkpoint.cutter.suffix,
        pad=checkpoint.pad,
    )
    return list(buckets), pieces.lengths


def _find_sents(doc: Doc) -> np.ndarray:
    # The first token of a sentence has 1; tokens of a doc without sentences have 0 or -1.
    has_sents = doc.has_annotation("SENT_START")
    return np.flatnonzero(doc.to_array(SENT_START) == 1) if has_sents else np.zeros(0, dtype=int)


def _warn_of_unread(docs: Sequence[Doc], owner: int) -> None:
    unread = [doc for doc in docs if is_unread(get_trf_data(doc), owner)]
    # Nobody needs the vectors of mere whitespace.
    n_unread = sum(not doc.text.isspace() for doc in unread)
    if n_unread:
        warnings.warn(
            f"The vectors of another transformer are replaced in {n_unread} of {len(docs)} docs, "
            "and no component has read them. Components read those of the last transformer before "
            "them: add each one directly after its own, or call `nlp.replace_listeners` for it.",
            stacklevel=2,
        )


def _warn_of_cut_words(pieces: Pieces, size: int) -> None:
    if pieces.n_cut:
        warnings.warn(
            f"Only the first pieces of {pieces.n_cut} word{'s' if pieces.n_cut > 1 else ''} of "
            f"this batch are read: a window holds at most {size} pieces. Such words are rarely "
            "text; if yours are, use a tokenizer that splits them.",
            stacklevel=2,
        )
