"""Folders and bytes ↔ encoders: the same vectors back; what is missing or code is refused."""

import json
import re
import shutil

import pytest
import safetensors.torch
import torch
from support.checkpoints import KINDS, SPECIALS
from transformers import AutoModel, AutoTokenizer, BertTokenizer

from spacy_bert_ner.encode.checkpoint import read_checkpoint
from spacy_bert_ner.encode.saved import bytes_to_checkpoint, checkpoint_to_bytes
from spacy_bert_ner.fetch.trust import refuse_code

OPTIONS = {"attention": "sdpa", "dropout": None}
SAVED = {**OPTIONS, "pooling": "first"}
IDS = torch.tensor([[2, 7, 8, 9, 3]])


def read(folder):
    return read_checkpoint(folder, **OPTIONS)


@pytest.fixture
def folder(get_encoder, tmp_path):
    """A copy of a tiny encoder that a test may break."""
    return shutil.copytree(get_encoder(), tmp_path / "encoder")


def change_json(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_give_the_same_encoder_back(get_encoder, kind):
    checkpoint = read(get_encoder(kind))
    data = checkpoint_to_bytes(checkpoint, pooling="first")
    loaded = bytes_to_checkpoint(data, **SAVED)
    with torch.no_grad():
        expected = checkpoint.model(input_ids=IDS).last_hidden_state
        assert torch.equal(loaded.model(input_ids=IDS).last_hidden_state, expected)
    assert (loaded.pad, loaded.limit) == (checkpoint.pad, checkpoint.limit)
    for name in ("prefix", "suffix", "unknown", "has_blanks", "first_has_blank"):
        assert getattr(loaded.cutter, name) == getattr(checkpoint.cutter, name)
    words = ["alex", "Zürich"]
    assert loaded.cutter(words, True) == checkpoint.cutter(words, True)
    assert checkpoint_to_bytes(loaded, pooling="first") == data


@pytest.mark.parametrize("kind", KINDS)
def test_special_pieces_and_limits_are_the_tokenizer_s(get_encoder, kind):
    checkpoint = read(get_encoder(kind))
    tokenizer = AutoTokenizer.from_pretrained(get_encoder(kind))
    specials = tokenizer("")["input_ids"]
    cutter = checkpoint.cutter
    assert [*cutter.prefix, *cutter.suffix] == specials
    assert cutter.prefix == [tokenizer.cls_token_id]
    assert (cutter.unknown, checkpoint.pad) == (tokenizer.unk_token_id, tokenizer.pad_token_id)
    # the longest input that the encoder takes, and one more
    full = torch.full((1, checkpoint.limit), 7)
    checkpoint.model(input_ids=full)
    if kind == "modernbert":  # it has no table of positions
        assert checkpoint.limit == checkpoint.model.config.max_position_embeddings
        return
    with pytest.raises((RuntimeError, IndexError)):
        checkpoint.model(input_ids=torch.cat([full, IDS[:, :1]], dim=1))


def test_row_31_limit_comes_from_the_positions_if_the_tokenizer_has_none(get_encoder):
    assert AutoTokenizer.from_pretrained(get_encoder()).model_max_length > 10**20
    assert read(get_encoder()).limit == 40


def test_no_pooler_is_built(get_encoder):
    assert AutoModel.from_pretrained(get_encoder()).pooler is not None
    assert read(get_encoder()).model.pooler is None


def test_weights_are_safetensors_and_tell_no_place(folder):
    change_json(folder / "config.json", _name_or_path="/home/me/secret")
    change_json(folder / "tokenizer_config.json", name_or_path="/home/me/secret")
    data = checkpoint_to_bytes(read(folder), pooling="first")
    names = set(safetensors.torch.load(data))
    assert names == set(read(folder).model.state_dict())
    assert b"/home/me" not in data
    assert str(folder).encode() not in data


def test_weights_come_back_in_float32(folder):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    safetensors.torch.save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    change_json(folder / "config.json", torch_dtype="float16")
    assert {p.dtype for p in read(folder).model.parameters()} == {torch.float32}


def test_truncation_of_the_tokenizer_is_left_out(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    pieces = read(folder).cutter(["alex"] * 9, False)
    assert [len(ids) for ids in pieces] == [1] * 9


def test_slow_tokenizers_are_refused(folder, monkeypatch):
    # transformers 5 has no slow ones of its own.
    monkeypatch.setattr(BertTokenizer, "is_fast", False)
    slow = BertTokenizer(str(folder / "vocab.txt"))
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *args, **options: slow)
    with pytest.raises(ValueError, match=r"BertTokenizer is not a fast tokenizer.*tokenizer.json"):
        read(folder)


def test_a_tokenizer_without_a_vocabulary_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(SPECIALS))
    with pytest.raises(ValueError, match=r"tokenizer has no pieces but special ones"):
        read(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_files_are_named_with_what_to_do(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"no {name}.*spacy project run encoder"):
        read(folder)


def test_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*spacy project run encoder"):
        read(tmp_path / "encoder")


def test_missing_weights_are_counted(folder):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    message = r"1 weights are missing \(encoder.layer.1.output.dense.weight"
    with pytest.raises(ValueError, match=message):
        read(folder)


def test_row_43_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"Pickled weights .*can run code.*save_pretrained"):
        read(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_row_43_code_of_the_checkpoint_is_refused(folder, name):
    change_json(folder / name, auto_map={"AutoModel": "modeling.Evil"})
    with pytest.raises(ValueError, match=rf"{name}: refused, because `auto_map`.*Python code"):
        read(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"attn_implementation": "kernels-community/flash"}, "downloads a compiled kernel"),
        ({"_attn_implementation": "a/b"}, "downloads a compiled kernel"),
        ({"text_config": {"_attn_implementation": "a/b"}}, "downloads a compiled kernel"),
        ({"parts": [{"auto_map": {"AutoModel": "x.Y"}}]}, "`auto_map`"),
        ({"trust_remote_code": True}, "`trust_remote_code` = True"),
    ],
)
def test_row_43_code_is_found_at_any_depth(config, message):
    with pytest.raises(ValueError, match=message):
        refuse_code(config, "config.json")


def test_row_43_saved_encoder_with_code_is_refused(get_encoder):
    checkpoint = read(get_encoder())
    evil = json.dumps(
        json.loads(checkpoint.files["config.json"]) | {"auto_map": {"AutoModel": "x"}}
    )
    checkpoint.files["config.json"] = evil
    with pytest.raises(ValueError, match=r"saved encoder.*`auto_map`"):
        bytes_to_checkpoint(checkpoint_to_bytes(checkpoint, pooling="first"), **SAVED)


@pytest.mark.parametrize("data", [b"\x80\x04pickle", b"{}", safetensors.torch.save({})])
def test_bytes_of_another_architecture_are_refused(data):
    message = re.escape("not written by spacy-bert-ner.TransformerModel.v1")
    with pytest.raises(ValueError, match=message):
        bytes_to_checkpoint(data, **SAVED)


@pytest.mark.parametrize("change", [-1, 1, -1000])
def test_cut_bytes_are_refused(get_encoder, change):
    data = checkpoint_to_bytes(read(get_encoder()), pooling="first")
    data = data.replace(b"block_sums", b"not_sealed", 1)  # as version 0.1.0 wrote it
    data = data[:change] if change < 0 else data + b"x"
    with pytest.raises(ValueError, match=r"expected [\d,]+: the file was cut or changed"):
        bytes_to_checkpoint(data, **SAVED)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_layers_are_kept(get_encoder, kind):
    whole = read(get_encoder(kind))
    if kind == "funnel":
        with pytest.raises(ValueError, match=r"`layers = 1`, but this encoder"):
            read_checkpoint(get_encoder(kind), **OPTIONS, layers=1)
        return
    cut = read_checkpoint(get_encoder(kind), **OPTIONS, layers=1)
    with torch.no_grad():
        hidden = whole.model(input_ids=IDS, output_hidden_states=True).hidden_states
        found = cut.model(input_ids=IDS, output_hidden_states=True).hidden_states
    assert len(found) == 2 < len(hidden)
    torch.testing.assert_close(found[0], hidden[0])
    if kind != "modernbert":  # it normalises what its last layer gives
        torch.testing.assert_close(found[1], hidden[1])
    data = checkpoint_to_bytes(cut, pooling="first")
    for layers in (None, 1):
        loaded = bytes_to_checkpoint(data, **SAVED, layers=layers)
        with torch.no_grad():
            assert torch.equal(
                loaded.model(input_ids=IDS).last_hidden_state,
                cut.model(input_ids=IDS).last_hidden_state,
            )
    with pytest.raises(ValueError, match="with `layers = 1`, but the config has `layers = 2`"):
        bytes_to_checkpoint(data, **SAVED, layers=2)


def test_more_layers_than_there_are_are_refused(get_encoder):
    with pytest.raises(ValueError, match=r"`layers = 99`, but this encoder has \d+\."):
        read_checkpoint(get_encoder(), **OPTIONS, layers=99)
