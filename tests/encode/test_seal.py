"""One changed byte of a saved encoder is noticed, whoever loads it."""

from contextlib import suppress

import numpy as np
import pytest
import spacy
from support.encoders import read
from support.listening import annotate, make_nlp

from spacy_bert_ner.encode.checkpoint import bytes_to_checkpoint, checkpoint_to_bytes
from spacy_bert_ner.encode.seal import SWITCH, check_seal, seal

SETTINGS = {"pooling": "first", "attention": "eager", "dropout": None}


@pytest.fixture(scope="module")
def data(get_encoder):
    return checkpoint_to_bytes(read(get_encoder()), pooling="first")


def flip(data, position, bit=1):
    return b"".join([data[:position], bytes([data[position] ^ bit]), data[position + 1 :]])


def test_any_changed_byte_is_noticed(data):
    check_seal(data)
    assert seal(data) == data
    rng = np.random.default_rng(0)
    n_header = int.from_bytes(data[:8], "little")
    head = data[:200].rindex(b'sha256\\": \\"') + len(b'sha256\\": \\"')
    positions = [*range(8), head + 3, n_header, len(data) - 1]
    positions += rng.integers(head, len(data), 200).tolist()
    for position in positions:
        with pytest.raises(ValueError, match=r"weights .* are damaged: sha256 is .*, expected"):
            bytes_to_checkpoint(flip(data, position), **SETTINGS)
    for position in range(8, head):
        # in the words around the hash: an error, or nothing but these words has changed
        with suppress(ValueError):
            bytes_to_checkpoint(flip(data, position), **SETTINGS)


def test_spacy_load_refuses_a_flipped_byte_unless_it_must_not(get_encoder, tmp_path, monkeypatch):
    nlp = make_nlp(get_encoder(), n_steps=1)
    nlp.to_disk(tmp_path)
    path = tmp_path / "transformer/model"
    path.write_bytes(flip(path.read_bytes(), path.stat().st_size - 400, bit=2))
    with pytest.raises(ValueError, match=rf"transformer/model.*damaged.*again.*{SWITCH}=0"):
        spacy.load(tmp_path)
    monkeypatch.setenv(SWITCH, "0")
    assert len(annotate(spacy.load(tmp_path))) == len(annotate(nlp))


def test_bytes_without_a_hash_are_not_checked(data):
    old = data.replace(b"sha256", b"sha512", 1)
    bytes_to_checkpoint(flip(old, len(old) - 1, bit=4), **SETTINGS)
