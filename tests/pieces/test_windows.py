"""Windows and buckets: every token once, within the limit, most context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bert_ner.pieces.table import Pieces
from spacy_bert_ner.pieces.windows import fill_buckets, split_buckets, split_windows

SIZE, CONTEXT = 12, 2
PREFIX, SUFFIX, PAD = [101, 102], [103], -1

# docs as lists of token lengths in pieces: empty docs, whitespace tokens, long tokens
DOCS = st.lists(
    st.lists(st.integers(0, 4) | st.just(SIZE), max_size=40), min_size=1, max_size=6
).filter(lambda docs: any(docs))


def split(docs, *, size=SIZE, context=CONTEXT, sent_starts=None):
    lengths = np.array([n for doc in docs for n in doc], dtype=np.int64)
    doc_lengths = np.array([len(doc) for doc in docs])
    windows = split_windows(
        lengths, doc_lengths, size=size, context=context, sent_starts=sent_starts
    )
    return lengths, windows


def fill(lengths, windows, budget):
    ids = np.arange(1000, 1000 + lengths.sum())
    pieces = Pieces(ids, lengths, 0)
    options = {"budget": budget, "prefix": PREFIX, "suffix": SUFFIX, "pad": PAD}
    return ids, list(fill_buckets(pieces, windows, **options))


@given(DOCS)
def test_every_token_with_pieces_is_predicted_once(docs):
    lengths, windows = split(docs)
    predicted = [
        token
        for first, last in zip(windows.first_tokens, windows.last_tokens, strict=True)
        for token in range(first, last)
        if lengths[token]
    ]
    assert predicted == np.flatnonzero(lengths).tolist()


@given(DOCS)
def test_windows_hold_what_they_predict_and_keep_the_limit(docs):
    lengths, windows = split(docs)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    assert (windows.ends - windows.starts <= SIZE).all()
    assert (windows.ends > windows.starts).all()
    assert (windows.starts <= offsets[windows.first_tokens]).all()
    assert (windows.ends >= offsets[windows.last_tokens]).all()
    # windows begin and end at token borders
    assert set(windows.starts) | set(windows.ends) <= set(offsets.tolist())


@given(DOCS)
def test_windows_stay_within_their_doc(docs):
    lengths, windows = split(docs)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    doc_ends = offsets[np.cumsum([len(doc) for doc in docs])]
    for start, end in zip(windows.starts, windows.ends, strict=True):
        assert not any(start < doc_end < end for doc_end in doc_ends)


@given(st.lists(st.just(1), min_size=SIZE + 1, max_size=90))
def test_each_token_is_predicted_where_it_has_most_context(doc):
    _, windows = split([doc])

    def context(window, token):
        # pieces to either side, where the doc's own ends do not count
        left = token - windows.starts[window] if windows.starts[window] else len(doc)
        right = windows.ends[window] - 1 - token if windows.ends[window] < len(doc) else len(doc)
        return min(left, right)

    n_windows = len(windows.starts)
    for window in range(n_windows):
        for token in range(windows.first_tokens[window], windows.last_tokens[window]):
            others = [
                context(other, token)
                for other in range(n_windows)
                if windows.starts[other] <= token < windows.ends[other]
            ]
            assert context(window, token) == max(others)
            assert n_windows == 1 or context(window, token) >= CONTEXT


def test_long_doc_is_cut_into_windows_of_about_one_length():
    _, windows = split([[1] * 601], size=510, context=32)
    sizes = windows.ends - windows.starts
    assert sizes.tolist() == [333, 332]


def test_cuts_at_sentence_borders_where_there_are_any():
    sents = np.array([0, 7, 13])
    _, windows = split([[1] * 20], sent_starts={0: sents})
    assert windows.first_tokens.tolist() == [0, 7, 13]
    _, without = split([[1] * 20])
    assert without.first_tokens.tolist() != windows.first_tokens.tolist()


def test_context_widens_windows():
    _, narrow = split([[1] * 30], context=0)
    _, wide = split([[1] * 30], context=3)
    assert (narrow.ends - narrow.starts).sum() == 30
    assert (wide.ends - wide.starts).sum() > 30


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 300))
def test_buckets_hold_each_window_once_and_keep_the_budget(lengths, budget):
    lengths = np.array(lengths)
    buckets = split_buckets(lengths, budget=budget)
    assert sorted(np.concatenate(buckets).tolist()) == list(range(len(lengths)))
    for rows in buckets:
        assert len(rows) == 1 or lengths[rows].max() * len(rows) <= budget
        assert lengths[rows].max() * len(rows) - lengths[rows].sum() <= budget / 32


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 300))
def test_parts_of_a_bucket_are_small_and_of_one_size(lengths, part):
    lengths = np.array(lengths)
    buckets, parts = (split_buckets(lengths, budget=600, part=x) for x in (None, part))
    assert np.concatenate(parts).tolist() == np.concatenate(buckets).tolist()
    for rows in buckets:
        cut = [len(p) for p in parts if np.isin(p, rows).all()]
        assert sum(cut) == len(rows) and max(cut) - min(cut) <= 1
        # No more parts than it takes, if windows could be cut.
        assert len(cut) == min(len(rows), -(-len(rows) * lengths[rows].max() // part))


def test_little_is_padded_in_a_large_batch():
    lengths = np.random.default_rng(0).geometric(1 / 20, size=2000) + 2
    padded = sum(lengths[r].max() * len(r) for r in split_buckets(lengths, budget=1024))
    assert padded <= 1.05 * lengths.sum()


@given(DOCS, st.integers(1, 90))
def test_buckets_hold_each_piece_of_each_token_once(docs, budget):
    lengths, windows = split(docs)
    ids, buckets = fill(lengths, windows, budget)
    ends, found = np.cumsum(lengths), []
    for bucket in buckets:
        for token, first, n in zip(bucket.tokens, bucket.firsts, bucket.token_lengths, strict=True):
            expected = ids[ends[token] - lengths[token] : ends[token]]
            assert bucket.ids.ravel()[first : first + n].tolist() == expected.tolist()
        found += bucket.tokens.tolist()
    assert sorted(found) == np.flatnonzero(lengths).tolist()


@given(DOCS, st.integers(1, 90))
def test_buckets_are_windows_in_special_pieces_and_padding(docs, budget):
    lengths, windows = split(docs)
    ids, buckets = fill(lengths, windows, budget)
    rows = [
        [piece for piece in row.tolist() if piece != PAD]
        for bucket in buckets
        for row in bucket.ids
    ]
    expected = [
        PREFIX + ids[start:end].tolist() + SUFFIX
        for start, end in zip(windows.starts, windows.ends, strict=True)
    ]
    assert sorted(rows) == sorted(expected)
    assert [len(row) for row in rows] == [n for bucket in buckets for n in bucket.lengths]


@pytest.mark.parametrize("docs", [[[]], [[0, 0]], [[], [0], []]])
def test_docs_without_pieces_have_no_windows(docs):
    _, windows = split(docs)
    assert [len(column) for column in windows] == [0, 0, 0, 0]
