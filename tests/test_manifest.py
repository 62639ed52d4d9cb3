"""A model folder that is cut, changed or incomplete is named, file by file."""

import json
import shutil
from pathlib import Path

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
    with pytest.raises(BrokenModelError, match=r"no manifest\.json.*verify .* --write`"):
        verify(model)


ENTRY = {"size": 1, "sha256": "0"}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "not readable as JSON"),
        ('{"files": ', "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        ({}, "found no format"),
        ([], "found a list"),
        ({"format": 1, "files": []}, r"found \[\] as files"),
        ({"format": 1, "files": {}}, "it lists no files"),
        ({"format": 2, "files": {"ner/cfg": ENTRY}}, "format 2, expected 1"),
        ({"format": None, "files": {"ner/cfg": ENTRY}}, "found None as format"),
        ({"format": 1, "files": {"ner/cfg": []}}, r"entry of 'ner/cfg' is \[\]"),
        ({"format": 1, "files": {"ner/cfg": {"size": "1"}}}, "entry of 'ner/cfg' is"),
        ({"format": 1, "files": {"../other": ENTRY}}, r"entry of '\.\./other' is"),
        ({"format": 1, "files": {"/etc/passwd": ENTRY}}, "entry of '/etc/passwd' is"),
    ],
)
def test_a_broken_manifest_is_one_sentence(model, content, found):
    is_data = isinstance(content, dict | list)
    content = json.dumps(content) if is_data else content
    content = content if isinstance(content, bytes) else content.encode()
    (model / "manifest.json").write_bytes(content)
    for check in (verify, spacy_bert_ner.load):
        with pytest.raises(BrokenModelError, match=rf"manifest\.json: .*{found}.*model again"):
            check(model)


def test_added_files_are_named(model):
    (model / "ner/patterns.jsonl").write_text("{}")
    for name in (".gitattributes", "__pycache__/x.pyc", ".cache/x"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("")
    with pytest.raises(
        BrokenModelError, match=r"written: ner/patterns\.jsonl; its .* --write --force`"
    ):
        verify(model)
    with pytest.warns(UserWarning, match=r"does not name: ner/patterns\.jsonl"):
        spacy_bert_ner.load(model)
    write_manifest(model)
    assert verify(model)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"version": None}, "found None as version"),
        ({"name": []}, r"found \[\] as name"),
        ({"spacy_version": ">=x"}, "'spacy>=x' is not a requirement"),
        ({"requirements": [None]}, "None is not a requirement"),
        ({"requirements": ["a b"]}, "'a b' is not a requirement"),
        (None, "not readable as JSON"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*has no manifest")
def test_a_damaged_meta_is_one_sentence(model, changes, found):
    path = model / "meta.json"
    text = path.read_text()
    path.write_text(text[:200] if changes is None else json.dumps(json.loads(text) | changes))
    (model / "manifest.json").unlink()
    with pytest.raises(BrokenModelError, match=rf"meta\.json: .*{found}.*model again"):
        spacy_bert_ner.load(model)


def test_a_distribution_whose_record_is_damaged_is_not_installed(monkeypatch):
    for found in (None, "", "not a version"):
        monkeypatch.setattr("spacy_bert_ner.manifest.version", lambda name, found=found: found)
        with pytest.raises(BrokenModelError, match=r"found spacy not installed"):
            check_versions({})


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
    monkeypatch.setattr("spacy_bert_ner.install.requires", needs.get)
    with pytest.raises(BrokenModelError, match=r"pip install 'torch>=99'$"):
        check_versions({})


def test_the_name_of_a_package_is_that_of_the_package(model, tmp_path, monkeypatch):
    package = tmp_path / "site/en_twice"
    info = tmp_path / "site/en_twice-1.0.dist-info/METADATA"
    info.parent.mkdir(parents=True)
    info.write_text("Metadata-Version: 2.1\nName: en_twice\nVersion: 1.0\n")
    shutil.copytree(model, package / "en_twice-1.0")
    (package / "__init__.py").write_text("")
    meta = {"lang": "en", "name": "twice", "version": "1.0"}
    (package / "meta.json").write_text(json.dumps(meta))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    spacy.blank("de").to_disk("en_twice")
    assert spacy_bert_ner.load("en_twice").lang == "en"
    with pytest.warns(UserWarning, match="has no manifest"):
        assert spacy_bert_ner.load(Path("en_twice")).lang == "de"


def test_no_such_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder and no installed package"):
        spacy_bert_ner.load(tmp_path / "nothing")
