"""Pieces of words and examples, as the encoder itself counts them."""

import pytest
import spacy
from spacy.training import Example
from spacy.util import registry
from support.checkpoints import KINDS
from support.words import TEXT, WORDS, make_doc, read_table

from spacy_bert_ner.encode.piece_counter import read_piece_counter


def make_count_pieces(folder):
    config = {"count": {"@misc": "spacy-bert-ner.count_pieces.v1", "name": str(folder)}}
    return registry.resolve(config)["count"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_has_as_many_pieces_as_the_encoder_reads(get_encoder, kind):
    folder = get_encoder(kind)
    count_pieces = make_count_pieces(folder)
    table = read_table(folder, limit=10**6)
    # Each word behind a blank, so that the table counts them alike.
    words = [word for word in [*WORDS, "\n", *TEXT.split()] if word]
    doc = make_doc(["alex", *words])
    n_pieces = int(table.lookup([doc]).lengths[1:].sum())
    assert count_pieces(make_doc(words)) == n_pieces
    assert count_pieces(Example(make_doc(words), make_doc(words))) == n_pieces
    assert count_pieces(make_doc([])) == 0
    assert count_pieces(make_doc(["\n", " "])) == 0


def test_the_predicted_doc_counts(get_encoder):
    count_pieces = make_count_pieces(get_encoder())
    nlp = spacy.blank("en")
    assert count_pieces(Example(nlp("alex"), nlp("a a a"))) == count_pieces(nlp("alex"))


def test_the_folder_is_read_when_it_is_needed(tmp_path, get_encoder):
    count_pieces = make_count_pieces(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no such folder, expected an encoder"):
        count_pieces(make_doc(["a"]))


def test_the_data_report_s_counter_counts_words(get_encoder):
    folder = get_encoder()
    count, window = read_piece_counter(folder)
    count_pieces = make_count_pieces(folder)
    words = ["alex", "Zürich", "x" * 60]
    assert count(words) == [count_pieces(make_doc([word])) for word in words]
    assert window > 0
