"""Words → pieces: against Hugging Face's own tokenizers, word by word and whole."""

import copy
import threading

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from support.checkpoints import KINDS
from support.words import TEXT, WORDS, make_doc, read_table
from transformers import AutoTokenizer

from spacy_bert_ner.pieces.table import WordTable, gather_ragged


def encode_plain(words, blank):
    return [[len(word), *map(ord, word)] for word in words]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "electra"])
def test_wordpieces_equal_those_of_words_split_beforehand(get_encoder, kind):
    words = [word for word in WORDS if word and word != "\u200b"]
    tokenizer = AutoTokenizer.from_pretrained(get_encoder(kind))
    expected = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
    pieces = read_table(get_encoder(kind), limit=500).lookup([make_doc(words)])
    assert pieces.ids.tolist() == expected.input_ids
    word_ids = expected.word_ids()
    assert pieces.lengths.tolist() == [word_ids.count(i) for i in range(len(words))]


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_running_text_equal_the_tokenizer_s(get_encoder, kind):
    # spaCy's tokens of this text are those that the tokenizers split it into, too
    doc = spacy.blank("en")(TEXT)
    expected = AutoTokenizer.from_pretrained(get_encoder(kind))(TEXT, add_special_tokens=False)
    assert read_table(get_encoder(kind)).lookup([doc]).ids.tolist() == expected.input_ids


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta"])
def test_blank_before_a_word_changes_its_pieces(get_encoder, kind):
    table = read_table(get_encoder(kind))
    together = table.lookup([make_doc(["in", "no"], spaces=[False, False])])
    apart = table.lookup([make_doc(["in", "no"], spaces=[True, False])])
    assert together.ids.tolist() != apart.ids.tolist()
    # the blank belongs to the second word: the first keeps its pieces
    n = together.lengths[0]
    assert together.ids[:n].tolist() == apart.ids[:n].tolist()


def test_first_word_of_each_doc_stands_behind_no_other_doc(get_encoder):
    table = read_table(get_encoder("roberta"))
    a, b = make_doc(["in"], spaces=[True]), make_doc(["no", "no"])
    alone = [table.lookup([doc]).ids.tolist() for doc in (a, b)]
    assert table.lookup([a, make_doc([]), b]).ids.tolist() == alone[0] + alone[1]


def test_each_distinct_word_is_cut_once():
    seen = []

    def encode(words, blank):
        seen.extend(words)
        return encode_plain(words, blank)

    table = WordTable(encode, unknown=0, limit=5)
    table.lookup([make_doc(["b", "a", "b"]), make_doc(["a"])])
    table.lookup([make_doc(["a", "c"])])
    assert sorted(seen) == ["a", "b", "c"]


def test_row_29_word_without_pieces_gets_the_unknown_piece(get_encoder):
    table = read_table(get_encoder())
    pieces = table.lookup([make_doc(["\u200b", "\x81", " ", "\n\n", "in"])])
    assert pieces.lengths.tolist() == [1, 1, 0, 0, 1]
    assert pieces.ids[:2].tolist() == [table.unknown] * 2


def test_row_30_long_word_keeps_its_first_pieces_and_is_counted():
    table = WordTable(encode_plain, unknown=0, limit=4)
    pieces = table.lookup([make_doc(["abcdefgh", "ab", "abcdefgh"])])
    assert pieces.ids.tolist() == [8, 97, 98, 99, 2, 97, 98, 8, 97, 98, 99]
    assert pieces.lengths.tolist() == [4, 3, 4]
    assert pieces.n_cut == 2
    assert table.lookup([make_doc(["ab"])]).n_cut == 0


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_row_32_empty_docs_have_no_pieces(get_encoder, kind):
    table = read_table(get_encoder(kind))
    empty, doc = make_doc([]), make_doc(["in", "paris"])
    alone = table.lookup([doc])
    for docs in ([empty, doc], [doc, empty], [empty, empty, doc, empty]):
        assert table.lookup(docs).ids.tolist() == alone.ids.tolist()
        assert table.lookup(docs).lengths.tolist() == alone.lengths.tolist()
    assert table.lookup([empty]).ids.tolist() == []


def test_docs_may_have_different_vocabs():
    a, b = make_doc(["one"]), make_doc(["two"])
    pieces = WordTable(encode_plain, unknown=0, limit=9).lookup([a, b])
    assert pieces.ids.tolist() == [3, *map(ord, "one"), 3, *map(ord, "two")]


def test_table_is_bounded():
    table = WordTable(encode_plain, unknown=0, limit=9, capacity=50)
    for i in range(40):
        words = [f"w{i}", f"v{i}", "same"]
        pieces = table.lookup([make_doc(words)])
        expected = [piece for word in encode_plain(words, False) for piece in word]
        assert pieces.ids.tolist() == expected
        assert len(table) <= 50


def test_copy_grows_on_its_own():
    table = WordTable(encode_plain, unknown=0, limit=9)
    copied = copy.deepcopy(table)
    copied.lookup([make_doc(["new"])])
    assert len(copied) > len(table)


def test_memory_zone_leaves_a_table_that_still_works(get_encoder):
    nlp = spacy.blank("en")
    table = read_table(get_encoder())
    with nlp.memory_zone():
        inside = table.lookup([nlp("alex lives here")]).ids.tolist()
    assert table.lookup([nlp("alex lives here")]).ids.tolist() == inside


def test_threads_may_grow_the_table_at_once(get_encoder):
    table = read_table(get_encoder(), capacity=400)
    docs = [make_doc([f"{a}{b}" for b in "abcdefgh"]) for a in "abcdefghijklmnop"]
    expected = [read_table(get_encoder()).lookup([doc]).ids.tolist() for doc in docs]
    wrong = []

    def work(offset):
        for i in range(300):
            row = (i * 7 + offset) % len(docs)
            if table.lookup([docs[row]]).ids.tolist() != expected[row]:
                wrong.append(row)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=9), st.randoms())
def test_gather_ragged_equals_slicing(rows, random):
    values = np.array([value for row in rows for value in row], dtype=object)
    lengths = np.array([len(row) for row in rows])
    starts = np.cumsum(lengths) - lengths
    order = random.sample(range(len(rows)), len(rows))
    expected = [value for i in order for value in rows[i]]
    assert gather_ragged(values, starts[order], lengths[order]).tolist() == expected
