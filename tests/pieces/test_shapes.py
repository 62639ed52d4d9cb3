"""Each word's shape is a row of the table, the same in every process."""

from hypothesis import given
from hypothesis import strategies as st

from spacy_bert_ner.pieces.shapes import N_SHAPES, find_shape


@given(st.text(min_size=1))
def test_each_word_has_a_row(word):
    assert 1 <= find_shape(word) < N_SHAPES
    assert 1 <= find_shape(word, 7) < 7


def test_rows_stay_what_models_were_trained_with():
    found = [find_shape(word) for word in ("London", "london", "LONDON", "U.S.", "1996-08-22", "I")]
    assert found == [383, 74, 335, 284, 97, 401]
    assert len({find_shape(word) for word in ("Xx", "XX", "xx", "d4", "x-x")}) == 5
