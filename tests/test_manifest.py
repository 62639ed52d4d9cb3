"""A model folder that is cut, changed or incomplete is named, file by file."""

import json
import shutil

import pytest
import spacy
from support.pipelines import make_nlp, train

import spacy_bert_ner
from spacy_bert_ner.manifest import BrokenModelError, check_versions, verify, write_manifest


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    nlp = make_nlp()
    train(nlp, n_steps=2)
    folder = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(folder)
    write_manifest(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def test_a_whole_model_is_loaded(model):
    manifest = json.loads((model / "manifest.json").read_text())
    assert verify(model) == len(manifest["files"])
    assert "ner/model" in manifest["files"]
    assert "manifest.json" not in manifest["files"]
    nlp = spacy_bert_ner.load(model, exclude=["ner"])
    assert nlp.pipe_names == []
    assert write_manifest(model) == manifest


def test_row_41_a_cut_file_is_named(model):
    path = model / "ner/model"
    path.write_bytes(path.read_bytes()[:-10])
    for check in (verify, spacy_bert_ner.load):
        with pytest.raises(BrokenModelError, match=r"1 of .* ner/model has .* bytes, expected"):
            check(model)


def test_row_41_a_flipped_byte_is_named(model):
    path = model / "ner/model"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BrokenModelError, match=r"ner/model has sha256 .*Copy or install"):
        spacy_bert_ner.load(model)


@pytest.mark.parametrize("name", ["ner/cfg", "tokenizer", "config.cfg", "vocab/strings.json"])
def test_row_41_a_missing_file_is_named(model, name):
    (model / name).unlink()
    with pytest.raises(BrokenModelError, match=f"{name} is missing"):
        spacy_bert_ner.load(model)


def test_all_broken_files_are_named_at_once(model):
    (model / "ner/cfg").unlink()
    (model / "tokenizer").write_bytes(b"")
    with pytest.raises(BrokenModelError, match=r"2 of .* ner/cfg is missing; tokenizer has 0 byte"):
        verify(model)


def test_a_folder_without_a_manifest_is_loaded_with_a_warning(model):
    (model / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"no manifest\.json, so its files are loaded unchecked"):
        assert spacy_bert_ner.load(model).pipe_names == ["ner"]
    with pytest.raises(BrokenModelError, match=r"no manifest\.json.*verify .* --write"):
        verify(model)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": '])
def test_a_broken_manifest_is_an_error(model, text):
    (model / "manifest.json").write_text(text)
    with pytest.raises(BrokenModelError, match=r"manifest\.json: cannot be read"):
        verify(model)


def test_row_42_versions_that_do_not_fit_give_the_pip_command(model):
    meta = {"lang": "en", "name": "x", "version": "1", "spacy_version": ">=2.0,<3.0"}
    meta["requirements"] = ["spacy-transformers>=1.0,<1.1", "not-there>=1"]
    with pytest.raises(BrokenModelError) as error:
        check_versions(meta)
    text = str(error.value)
    assert f"found spacy {spacy.__version__}, spacy-transformers 1." in text
    assert "not-there not installed" in text
    assert "pip install 'spacy<3.0,>=2.0' 'spacy-transformers<1.1,>=1.0' 'not-there>=1'" in text
    path = model / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **meta}))
    write_manifest(model)
    with pytest.raises(BrokenModelError, match="pip install"):
        spacy_bert_ner.load(model)


def test_what_the_plugin_itself_needs_is_checked_too(monkeypatch):
    needs = {"spacy-bert-ner": ["torch>=99", "rich>99; extra == 'x'"]}
    monkeypatch.setattr("spacy_bert_ner.manifest.requires", needs.get)
    with pytest.raises(BrokenModelError, match=r"pip install 'torch>=99'$"):
        check_versions({})


def test_no_such_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder and no installed package"):
        spacy_bert_ner.load(tmp_path / "nothing")
