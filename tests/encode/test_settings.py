"""Settings of the transformer architecture: what is refused, and with which words."""

import pytest

from spacy_bert_ner.encode.settings import Settings, check_transformer_settings, parse_freeze
from spacy_bert_ner.encode.transformer import build_transformer_model_v1


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("pooling", "max", '`pooling = "max"`, expected one of: first, mean, last, pieces'),
        ("compute_dtype", "int8", "expected one of: auto, float32, bfloat16, float16"),
        ("attention", "flash", '`attention = "flash"`, expected one of: sdpa, eager'),
        ("attention", "hub/kernel", "downloads a compiled kernel"),
        ("freeze", "some", 'expected "none", "embeddings", "all" or a number of layers'),
        ("window", 0, "`window = 0`, expected at least 1"),
        ("context", -1, "`context = -1`, expected at least 0"),
        ("batch_pieces", 0, "`batch_pieces = 0`, expected at least 1"),
        ("threads", 0, "`threads = 0`, expected at least 1"),
        ("dropout", 1.0, "`dropout = 1.0`, expected at least 0 and less than 1"),
        ("attention_dropout", -1.0, "`attention_dropout = -1.0`, expected at least 0 and less"),
    ],
)
def test_values_that_do_not_exist_are_refused(setting, value, message):
    with pytest.raises(ValueError, match=message):
        build_transformer_model_v1(name="nowhere", **{setting: value})


@pytest.mark.parametrize(
    ("freeze", "n_layers"),
    [("none", None), ("all", None), ("embeddings", 0), ("1 layer", 1), ("12 layers", 12)],
)
def test_freeze_is_read(freeze, n_layers):
    assert parse_freeze(freeze) == n_layers


def test_sizes_come_from_the_limit_unless_set():
    assert Settings(name="").find_sizes(512, 2) == (510, 32)
    assert Settings(name="", window=128, context=10).find_sizes(512, 3) == (125, 10)


def test_window_above_the_limit_is_refused():
    with pytest.raises(ValueError, match="`window = 600`, but this encoder reads at most 512"):
        Settings(name="", window=600).find_sizes(512, 2)


def test_window_without_room_is_refused():
    with pytest.raises(
        ValueError, match="`window = 12` leaves no room next to 2 special pieces and 5"
    ):
        Settings(name="", window=12, context=5).find_sizes(512, 2)


def test_defaults_are_fine():
    check_transformer_settings(Settings(name=""))
