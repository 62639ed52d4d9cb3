"""One changed byte of a saved encoder is noticed, whoever loads it."""

import hashlib
from contextlib import suppress

import numpy as np
import pytest
import spacy
from support.encoders import read
from support.listening import annotate, make_nlp

from spacy_bert_ner.encode import seal as seals
from spacy_bert_ner.encode.saved import bytes_to_checkpoint, checkpoint_to_bytes
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
    name = b'block_sums\\": \\"'
    head = data[:200].rindex(name) + len(name)
    positions = [*range(8), head + 3, n_header, len(data) - 1]
    positions += rng.integers(head, len(data), 200).tolist()
    for position in positions:
        with pytest.raises(ValueError, match=r"weights .* are damaged: their hash is .*, expected"):
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


def test_blocks_that_are_lost_zeroed_or_exchanged_are_noticed(data):
    a, b = 4096 * 2, 4096 * 4
    changed = [
        data[:a] + data[b : b + 4096] + data[a + 4096 : b] + data[a : a + 4096] + data[b + 4096 :],
        data[:a] + bytes(4096) + data[a + 4096 :],
        data[:a] + data[b:],
        data + bytes(4096),
    ]
    for other in changed:
        assert other != data
        with pytest.raises(ValueError, match="damaged"):
            check_seal(other)


def test_the_sha256_of_earlier_models_is_checked(data, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(seals, "SEAL", seals.OLD_SEAL)
        patch.setattr(seals, "hash_blocks", seals.hash_all)
        old = checkpoint_to_bytes(bytes_to_checkpoint(data, **SETTINGS), pooling="first")
    digest = old[:200].partition(b'sha256\\": \\"')[2][:64]
    assert hashlib.sha256(old.replace(digest, b"0" * 64)).hexdigest() == digest.decode()
    check_seal(old)
    bytes_to_checkpoint(old, **SETTINGS)
    with pytest.raises(ValueError, match="damaged"):
        check_seal(flip(old, len(old) - 5))


def test_bytes_without_a_hash_are_not_checked(data):
    old = data.replace(b"block_sums", b"block_soms", 1)
    bytes_to_checkpoint(flip(old, len(old) - 1, bit=4), **SETTINGS)
