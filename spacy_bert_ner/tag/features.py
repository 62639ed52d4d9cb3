"""Lexeme attributes of each word → a vector that is appended to the encoder's."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from spacy import attrs as lexeme_attrs
from spacy.attrs import IDS
from spacy.tokens import Doc
from thinc.api import (
    Embed,
    HashEmbed,
    Model,
    chain,
    concatenate,
    expand_window,
    list2ragged,
    ragged2list,
    with_array,
)
from thinc.types import Floats2d, Ints2d, Ragged

from ..ranges import check_range
from .form_products import Products, multiply_forms
from .tag_rows import split_rows

# Flags that spaCy's lexemes store for every word; their combinations are the classes of case and
# shape that an uncased encoder cannot see.
SHAPE_FLAGS = (
    lexeme_attrs.IS_ALPHA,
    lexeme_attrs.IS_ASCII,
    lexeme_attrs.IS_DIGIT,
    lexeme_attrs.IS_LOWER,
    lexeme_attrs.IS_PUNCT,
    lexeme_attrs.IS_TITLE,
    lexeme_attrs.IS_UPPER,
    lexeme_attrs.LIKE_NUM,
    lexeme_attrs.IS_STOP,
)

CASE_FLAGS = ("IS_LOWER", "IS_TITLE", "IS_UPPER")
CASE_ATTRS = ("ORTH", "PREFIX", "SHAPE")
"""Attributes whose values show that a word is in lower case."""
CASE_SALT = np.uint64(0x9E3779B97F4A7C15)
"""Moves these values to other rows if the case of a word is unknown (2^64 / golden ratio)."""


def build_word_forms_v1(
    width: int = 32,
    attrs: Sequence[str] = ("NORM", "PREFIX", "SUFFIX", "SHAPE"),
    rows: Sequence[int] = (5000, 1000, 2000, 2000),
    window: int = 1,
) -> Model[list[Doc], list[Floats2d]]:
    """Build embeddings of the forms of each word and its neighbours.

    Entry point: spacy-bert-ner.WordForms.v1. As in spacy.MultiHashEmbed.v2, each
    attribute has its own table, and hashes of its value select the rows. As in
    spacy.MaxoutWindowEncoder.v2, each word also gets the embeddings of its neighbours.
    Combining them is left to the head, so this takes a third of the time of those two
    layers.

    width (int): Width of the embedding of each attribute.
    attrs (Sequence[str]): Lexeme attributes to embed.
    rows (Sequence[int]): Number of rows in each attribute's table.
    window (int): Number of neighbours on each side whose embeddings are appended to the
        word's.
    RETURNS (Model[List[Doc], List[Floats2d]]): Shapes:
        (n_tokens, width * n_attrs * (2 * window + 1)).
    RAISES (ValueError): If `attrs` is empty, `rows` does not have one number above 0
        for each attribute, or `window` is below 0.
    """
    return _embed_forms(None, width, attrs, rows, window)


def build_word_forms_v2(
    width: int = 32,
    attrs: Sequence[str] = ("NORM", "PREFIX", "SUFFIX", "SHAPE"),
    rows: Sequence[int] = (5000, 1000, 2000, 2000),
    window: int = 1,
    hide_case: float = 0.25,
) -> Model[list[Doc], list[Floats2d]]:
    """Build embeddings of the forms of each word and its neighbours that work without case.

    Entry point: spacy-bert-ner.WordForms.v2. If the case of a doc is informative, these
    are the embeddings of spacy-bert-ner.WordForms.v1. It is not if all words of the doc
    are in lower case, in capitals or capitalised: then each word is embedded as its
    lower-case form, and its case counts as unknown. Training also hides the case of
    some other docs, so that the head learns to work without it.

    width (int): Width of the embedding of each attribute.
    attrs (Sequence[str]): Lexeme attributes to embed.
    rows (Sequence[int]): Number of rows in each attribute's table.
    window (int): Number of neighbours on each side whose embeddings are appended to the
        word's.
    hide_case (float): Share of the docs whose case is hidden in training, drawn again
        in each epoch.
    RETURNS (Model[List[Doc], List[Floats2d]]): Shapes:
        (n_tokens, width * n_attrs * (2 * window + 1)).
    RAISES (ValueError): If `attrs` is empty, `rows` does not have one number above 0
        for each attribute, `window` is below 0, or `hide_case` is not between 0 and 1.
    """
    check_range("hide_case", hide_case, 0, 1)
    return _embed_forms(hide_case, width, attrs, rows, window)


def forward_forms(
    model: Model[list[Doc], list[Ints2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Ints2d], Callable[[Any], list[Doc]]]:
    """Look up the attributes of each word. Shapes: (n_tokens, n_attrs)."""
    return _move(model, find_forms(model, docs, is_train=is_train), docs), _ignore_gradient


def find_forms(extract: Model, docs: Sequence[Doc], *, is_train: bool) -> np.ndarray:
    """RETURNS (ndarray): The form of each word. Shape: (n_tokens, n_attrs)."""
    attrs, hide_case = extract.attrs["attrs"], extract.attrs["hide_case"]
    if hide_case is None:
        return _read_attrs(docs, attrs)
    return read_forms(docs, attrs, share=hide_case if is_train else 0.0)


def read_forms(docs: Sequence[Doc], attrs: Sequence[str], *, share: float) -> np.ndarray:
    """Read the attributes of each word, in lower case where its doc's case is hidden.

    docs (Sequence[Doc]): The docs.
    attrs (Sequence[str]): The attributes.
    share (float): Share of the docs with informative case to hide it in as well.
    RETURNS (ndarray): Their values. Shape: (n_tokens, n_attrs).
    """
    rows = _read_attrs(docs, [*attrs, *CASE_FLAGS])
    forms, flags = rows[:, : len(attrs)], rows[:, len(attrs) :]
    lengths = [len(doc) for doc in docs]
    # Case is informative if some words are in lower case, and some are not.
    # Shape: (n_docs, n_flags)
    totals = np.concatenate([np.zeros((1, 3)), np.cumsum(flags, axis=0)])
    ends = np.cumsum(lengths)
    n_lower, n_title, n_upper = (totals[ends] - totals[ends - lengths]).T
    is_hidden = (n_lower == 0) | (n_title + n_upper == 0)
    if share:
        is_shown = ~is_hidden
        is_hidden[is_shown] = np.random.random(int(is_shown.sum())) < share
    hidden = [docs[i] for i in np.flatnonzero(is_hidden).tolist()]
    words = [token.lower_ for doc in hidden for token in doc]
    if words:
        salts = np.where(np.isin(attrs, CASE_ATTRS), CASE_SALT, np.uint64(0))
        lower = _read_attrs([Doc(docs[0].vocab, words)], attrs)
        forms[np.repeat(is_hidden, lengths)] = lower ^ salts
    return forms


def _embed_forms(
    hide_case: float | None,
    width: int,
    attrs: Sequence[str],
    rows: Sequence[int],
    window: int,
) -> Model[list[Doc], list[Floats2d]]:
    if not attrs:
        raise ValueError(
            "attrs = [], expected at least one attribute in [components.ner.model.features]. To "
            "build a head without word features, set `features = null`."
        )
    if len(attrs) != len(rows):
        raise ValueError(
            f"Found {len(attrs)} attributes ({', '.join(attrs)}) and {len(rows)} numbers of rows, "
            "expected one number of rows for each attribute in [components.ner.model.features]."
        )
    for n_rows in rows:
        check_range("rows", n_rows, 1)
    check_range("width", width, 1)
    check_range("window", window, 0)
    extract: Model[list[Doc], list[Ints2d]] = Model(
        "extract_forms", forward_forms, attrs={"attrs": list(attrs), "hide_case": hide_case}
    )
    tables: list[Model[Ints2d, Floats2d]] = [
        HashEmbed(width, n_rows, column=i, seed=i, dropout=0.0) for i, n_rows in enumerate(rows)
    ]
    table: Any = concatenate(*tables) if len(tables) > 1 else tables[0]
    embed: Model[Ragged, Ragged] = with_array(table)
    around: list[Model[Ragged, Ragged]] = [expand_window(window)] if window else []
    forms: Model[list[Doc], list[Floats2d]]
    forms = chain(extract, list2ragged(), embed, *around, ragged2list())
    forms.attrs["multiply"] = multiply_features
    return forms


def multiply_features(model: Model, docs: Sequence[Doc], weight: torch.Tensor) -> Products:
    """Multiply the output of this layer by a matrix, to predict on a CPU.

    docs (Sequence[Doc]): The docs.
    weight (torch.Tensor): The matrix. Shape: (n_out, n_features).
    RETURNS (Products): The products of each word.
    """
    extract, _, embed, *_ = model.layers
    rows = find_forms(extract, docs, is_train=False)
    return multiply_forms(embed, rows, [len(doc) for doc in docs], weight)


def _read_attrs(docs: Sequence[Doc], attrs: Sequence[int | str]) -> np.ndarray:
    # Shape: (n_tokens, n_attrs)
    numbers = [IDS[name.upper()] if isinstance(name, str) else name for name in attrs]
    return np.concatenate([doc.to_array(numbers).reshape(-1, len(numbers)) for doc in docs])


def _move(model: Model, rows: np.ndarray, docs: Sequence[Doc]) -> list[Any]:
    # One copy to a GPU for all docs. Shapes: (n_tokens, n_columns)
    return split_rows(model.ops.xp.asarray(rows), [len(doc) for doc in docs])


def _ignore_gradient(d_rows: Any) -> list[Doc]:
    return []


def build_word_shape_v1(width: int = 64) -> Model[list[Doc], list[Floats2d]]:
    """Build an embedding of each word's case and shape.

    Entry point: spacy-bert-ner.WordShape.v1. A combination of nine lexeme flags selects
    the embedding; spaCy has already computed them.

    width (int): Width of the embedding.
    RETURNS (Model[List[Doc], List[Floats2d]]): Shapes: (n_tokens, width).
    """
    check_range("width", width, 1)
    classes: Model[list[Doc], list[Ints2d]] = Model("word_shape", forward_word_shape)
    return chain(classes, with_array(Embed(nO=width, nV=2 ** len(SHAPE_FLAGS), column=0)))


def forward_word_shape(
    model: Model[list[Doc], list[Ints2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Ints2d], Callable[[Any], list[Doc]]]:
    """Convert the flags of each word to the number of its class. Shapes: (n_tokens, 1)."""
    weights = 2 ** np.arange(len(SHAPE_FLAGS))
    # Shape: (n_tokens, n_flags)
    flags = _read_attrs(docs, SHAPE_FLAGS).astype(np.int64)
    return _move(model, (flags @ weights)[:, None], docs), _ignore_gradient
