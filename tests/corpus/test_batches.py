"""Batches of like length: nothing lost, limits kept, no order left."""

import random
from itertools import pairwise

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example
from spacy.util import registry

from spacy_bert_ner.corpus.batches import estimate_pieces


def make_batcher(**settings):
    config = {"@batchers": "spacy-bert-ner.batch_by_pieces.v1", **settings}
    config.setdefault("pool", 20)
    return registry.resolve({"batcher": config})["batcher"]


def make_items(lengths):
    vocab = spacy.blank("en").vocab
    # The number of words is the number of pieces: each has one letter.
    return [spacy.tokens.Doc(vocab, words=["a"] * n) for n in lengths]


LENGTHS = st.lists(st.integers(1, 30), max_size=60)


@settings(deadline=None)
@given(
    lengths=LENGTHS,
    sentences=st.none() | st.integers(1, 8),
    pieces=st.integers(1, 60),
    pool=st.integers(0, 30),
)
def test_nothing_is_lost_and_limits_hold(lengths, sentences, pieces, pool):
    docs = make_items(lengths)
    batches = list(make_batcher(sentences=sentences, pieces=pieces, pool=pool)(docs))
    assert sorted(id(doc) for batch in batches for doc in batch) == sorted(map(id, docs))
    for batch in batches:
        assert sentences is None or len(batch) <= sentences
        assert len(batch) == 1 or max(map(len, batch)) * len(batch) <= pieces


def test_plain_batches_of_32_in_the_order_given():
    docs = make_items(random.Random(0).choices(range(1, 30), k=70))
    batches = list(make_batcher(sentences=32, pool=0)(docs))
    assert [len(batch) for batch in batches] == [32, 32, 6]
    assert [doc for batch in batches for doc in batch] == docs


def test_batches_are_of_like_length_and_in_random_order():
    docs = make_items(random.Random(0).choices(range(1, 60), k=1600))
    batches = list(make_batcher(sentences=32, pool=1600)(docs))
    lengths = [[len(doc) for doc in batch] for batch in batches]
    padded = sum(max(batch) * len(batch) for batch in lengths)
    assert padded < 1.05 * sum(map(len, docs))
    longest = [max(batch) for batch in lengths]
    falls = sum(a > b for a, b in pairwise(longest))
    assert 15 < falls < 35  # about half of the 49 pairs


def test_seed_decides_and_epochs_differ():
    docs = make_items([3] * 40)
    batcher = make_batcher(sentences=8)
    random.seed(1)
    epochs = [list(batcher(docs)), list(batcher(docs))]
    random.seed(1)
    assert list(batcher(docs)) == epochs[0]
    assert epochs[0] != epochs[1]


def test_epoch_needs_one_draw():
    random.seed(1)
    random.getrandbits(64)
    expected = random.getstate()
    random.seed(1)
    list(make_batcher()(make_items([1] * 100)))
    assert random.getstate() == expected


def test_pieces_are_estimated_by_letters():
    nlp = spacy.blank("en")
    doc = nlp("Unbelievable")
    assert estimate_pieces(doc) == 2
    assert estimate_pieces(Example(doc, nlp("a a a"))) == 2
    assert estimate_pieces(nlp("I am here.")) == 4
    assert estimate_pieces(nlp("")) == 0


def test_get_length_is_used():
    @registry.misc("test.count_ones.v1")
    def make_count_ones():
        return count_ones

    def count_ones(doc):
        return 1

    batcher = make_batcher(sentences=None, pieces=4, get_length={"@misc": "test.count_ones.v1"})
    assert [len(batch) for batch in batcher(make_items([9] * 8))] == [4, 4]


def test_a_limit_is_needed():
    with pytest.raises(ValueError, match="`sentences` and `pieces` are both null"):
        make_batcher(sentences=None)
