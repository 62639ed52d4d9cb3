"""Damaged bytes of every sample: an error that says so or a true count, never anything else."""

import random
import time
from pathlib import Path

import pytest
from support import samples
from support.data_page import DIALECTS

from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import Notes

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
TEXTS = {**samples.TOKEN_FORMATS, **samples.TEXT_FORMATS, **samples.RECORD_FORMATS, **DIALECTS}
SAMPLES = {f"{name}.txt": text.encode() for name, text in TEXTS.items()}
SAMPLES |= {path.name: path.read_bytes() for path in sorted(CASES.iterdir()) if path.is_file()}


def cut(data, rng):
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 40) :]


def cut_end(data, rng):
    return data[: rng.randrange(len(data))]


def swap(data, rng):
    a, b = sorted(rng.sample(range(len(data) + 1), 2))
    c = rng.randrange(b, len(data) + 1)
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def flip(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def repeat(data, rng):
    start = rng.randrange(len(data))
    return data[:start] + data[start : start + 60] * rng.randrange(2, 5) + data[start:]


DAMAGES = (cut, cut_end, swap, flip, repeat)


def read_damaged(path, data, rng):
    """Damage the bytes, read them, and check that what is read is whole."""
    for _ in range(rng.randrange(1, 4)):
        data = rng.choice(DAMAGES)(data, rng) or b"x"
    path.write_bytes(data)
    start = time.process_time()
    try:
        for sentence in open_data(path).sentences(Notes()):
            assert sentence.words
            assert all(sentence.words), data
            n = len(sentence.words)
            assert len(sentence.tags) == len(sentence.lines) == n, data
    except (ValueError, OSError) as error:
        assert path.stem.partition(".")[0] in str(error), data
        assert len(str(error)) < 4000
    assert time.process_time() - start < 10


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_samples_are_read_or_refused(name, tmp_path):
    rng = random.Random(name)
    for _ in range(6):
        read_damaged(tmp_path / name, SAMPLES[name], rng)


@pytest.mark.slow
def test_half_a_minute_of_damage(tmp_path):
    rng = random.Random(0)
    for _ in range(30_000):  # the same ones on a machine of any speed
        name = rng.choice(list(SAMPLES))
        read_damaged(tmp_path / name, SAMPLES[name], rng)


def test_a_token_of_training_json_with_an_empty_text_is_refused(tmp_path):
    # found by half a minute of damage
    text = TEXTS["spacy-training"].replace('"orth": "moved"', '"orth": ""', 1)
    path = samples.write(tmp_path, text, "training.json")
    with pytest.raises(ValueError, match=r"token 3 of a sentence has an empty `orth`"):
        list(open_data(path).sentences(Notes()))
