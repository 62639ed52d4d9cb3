"""Wheels: the same files give the same bytes, sealed by a manifest; half the size on request."""

import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from support.damages import damage
from support.indexes import BUILD_HERE, use_index
from support.listening import TEXTS, annotate, make_nlp
from support.pipelines import make_nlp as make_cnn
from support.pipelines import train

from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.files import hash_file
from spacy_bert_ner.manifest import BrokenModelError, find_supported, verify, write_manifest
from spacy_bert_ner.package.half import halve_weights
from spacy_bert_ner.package.wheels import (
    BUILD_SYSTEM,
    KNOWN_NAMES,
    SETUPTOOLS,
    build_model_wheel,
    build_plugin_wheel,
    build_wheel,
    normalise_wheel,
)

ROOT = Path(__file__).parents[2]


def write_zip(path, names, date):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            entry = zipfile.ZipInfo(name, date_time=date)
            entry.external_attr = (0o600 if date[0] == 2020 else 0o644) << 16
            file.writestr(entry, f"content of {name}")


def test_order_dates_and_modes_of_files_do_not_tell(tmp_path, monkeypatch):
    names = ["b/x.py", "a.py", "a-1.dist-info/RECORD", "a-1.dist-info/METADATA"]
    write_zip(tmp_path / "one", names, (2020, 1, 1, 0, 0, 0))
    write_zip(tmp_path / "two", names[::-1], (2021, 2, 2, 0, 0, 0))
    for name in ("one", "two"):
        normalise_wheel(tmp_path / name, tmp_path / f"{name}.whl")
    assert hash_file(tmp_path / "one.whl") == hash_file(tmp_path / "two.whl")
    with zipfile.ZipFile(tmp_path / "one.whl") as file:
        assert file.namelist() == ["a.py", "b/x.py", *names[:1:-1]]
        assert file.read("a.py") == b"content of a.py"
        assert file.getinfo("a.py").date_time == (1980, 1, 1, 0, 0, 0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    normalise_wheel(tmp_path / "one", tmp_path / "later.whl")
    with zipfile.ZipFile(tmp_path / "later.whl") as file:
        assert file.getinfo("a.py").date_time == time.gmtime(1600000000)[:6]


@pytest.fixture(scope="module")
def model(get_encoder, tmp_path_factory):
    nlp = make_nlp(get_encoder(), n_steps=3)
    folder = tmp_path_factory.mktemp("half") / "model"
    nlp.to_disk(folder)
    return folder


def test_half_precision_stores_rounded_weights_that_load_as_float32(model, tmp_path):
    nlp = spacy.load(model)
    nlp.to_disk(tmp_path / "half")
    n_rounded = halve_weights(tmp_path / "half")
    half = spacy.load(tmp_path / "half")
    full_shim, half_shim = (get_shim(n.get_pipe("transformer").model) for n in (nlp, half))
    states = full_shim._model.state_dict(), half_shim._model.state_dict()
    assert n_rounded == sum(p.numel() for p in states[0].values() if p.dtype.is_floating_point)
    for name, tensor in states[0].items():
        assert states[1][name].dtype == tensor.dtype
        expected = tensor.half().float() if tensor.dtype.is_floating_point else tensor
        np.testing.assert_array_equal(states[1][name].numpy(), expected.numpy())
    sizes = [(folder / "transformer/model").stat().st_size for folder in (model, tmp_path / "half")]
    # the tokenizer and config are the rest
    assert sizes[0] - sizes[1] == pytest.approx(2 * n_rounded, rel=0.02)
    assert halve_weights(tmp_path / "half") == 0
    assert annotate(half) == annotate(nlp)
    half.update([], sgd=None)


def test_half_precision_that_cannot_be_is_an_error(model, tmp_path):
    nlp = spacy.load(model)
    parameter = next(get_shim(nlp.get_pipe("transformer").model)._model.parameters())
    parameter.data[0, 0] = 1e5
    nlp.to_disk(tmp_path / "large")
    with pytest.raises(ValueError, match=r"a weight of 100000, but float16 ends at 65,504"):
        halve_weights(tmp_path / "large")
    cnn = make_cnn()
    train(cnn, n_steps=1)
    cnn.to_disk(tmp_path / "cnn")
    with pytest.raises(ValueError, match="expected an encoder to store in half precision"):
        halve_weights(tmp_path / "cnn")
    with pytest.raises(ValueError, match="Precision 'double', expected one of full, half"):
        build_model_wheel(model, tmp_path, name="x", version="1", meta={}, precision="double")


def test_a_model_is_sealed_before_its_wheel_is_built(model, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_wheel", lambda folder, output: folder)
    folder = build_model_wheel(model, tmp_path, name="tiny", version="1.0", meta={"author": "A"})
    inner = folder / "en_tiny/en_tiny-1.0"
    assert verify(inner) > 5
    meta = srsly.read_json(inner / "meta.json")
    assert meta == srsly.read_json(folder / "meta.json")
    assert (meta["author"], meta["spacy_version"]) == ("A", find_supported("spacy"))
    assert meta["requirements"] == sorted(meta["requirements"])
    assert any(need.startswith("spacy-bert-ner") for need in meta["requirements"])
    assert annotate(spacy.load(inner), TEXTS[:4]) == annotate(spacy.load(model), TEXTS[:4])


def test_both_wheels_are_built_with_one_setuptools(model, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_wheel", lambda folder, output: folder)
    folder = build_model_wheel(model, tmp_path, name="tiny", version="1.0", meta={})
    for path in (ROOT / "pyproject.toml", folder / "pyproject.toml"):
        assert f'requires = ["{SETUPTOOLS}"]' in path.read_text()
    assert "==" in SETUPTOOLS


def test_a_wheel_that_cannot_be_built_is_one_sentence(tmp_path, monkeypatch):
    use_index(monkeypatch, tmp_path)
    (tmp_path / "pyproject.toml").write_text(BUILD_SYSTEM)
    with pytest.raises(ValueError, match=r"could not build its wheel \(.*needs setuptools==80"):
        build_wheel(tmp_path, tmp_path / "dist")


@pytest.mark.parametrize("kind", ["flip", "cut", "delete"])
def test_a_damaged_model_is_not_packaged(model, tmp_path, kind):
    damaged = shutil.copytree(model, tmp_path / "model")
    write_manifest(damaged)
    damage(damaged / "bert_ner/model", kind)
    with pytest.raises(BrokenModelError, match=r"bert_ner/model (has|is missing)"):
        build_model_wheel(damaged, tmp_path, name="tiny", version="1.0", meta={})
    # written by `spacy train`, which writes no manifest
    (damaged / "manifest.json").unlink()
    shutil.copy(model / "bert_ner/model", damaged / "bert_ner/model")
    path = damaged / "transformer/model"
    data = path.read_bytes()
    path.write_bytes(data[:-99] + bytes([data[-99] ^ 1]) + data[-98:])
    with pytest.raises(ValueError, match=r"weights .* are damaged"):
        build_model_wheel(damaged, tmp_path, name="tiny", version="1.0", meta={})


@pytest.mark.parametrize(
    ("lang", "name", "is_taken"),
    [
        ("en", "core_web_trf", True),
        ("en", "core_web_sm", True),
        ("de", "core_news_lg", True),
        ("xx", "ent_wiki_sm", True),
        ("en", "core_sci_md", True),
        ("en", "kaggle_ner", False),
        ("es", "conll2002_ner", False),
        ("en", "core_values", False),
    ],
)
def test_names_of_other_projects_are_known(lang, name, is_taken):
    assert bool(KNOWN_NAMES.fullmatch(f"{lang}_{name}")) == is_taken


def test_a_name_of_another_project_is_warned_of(model, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_wheel", lambda folder, output: folder)
    with pytest.warns(UserWarning, match="en_core_web_trf is the name of another project's model"):
        build_model_wheel(model, tmp_path, name="core_web_trf", version="1.0", meta={})


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("my-ner", "1.0", "Name 'my-ner', expected letters"),
        ("größe", "1.0", "Name 'größe', expected letters"),
        ("a/../../x", "1.0", "expected letters"),
        ("", "1.0", "Name '', expected letters"),
        ("ner", "latest", "Version 'latest', expected numbers with dots"),
        ("ner", "1.0/2", "Version '1.0/2', expected"),
        ("ner", "", "Version '', expected"),
    ],
)
def test_names_and_versions_that_are_none_are_errors(model, tmp_path, name, version, reason):
    with pytest.raises(ValueError, match=reason):
        build_model_wheel(model, tmp_path / "out", name=name, version=version, meta={})
    assert not (tmp_path / "out").exists()


def test_a_name_may_begin_with_the_language(model, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_wheel", lambda folder, output: folder)
    folder = build_model_wheel(model, tmp_path, name="en_tiny", version="1.0", meta={})
    assert (folder.name, verify(folder / "en_tiny/en_tiny-1.0") > 5) == ("en_tiny-1.0", True)


def test_the_supported_versions_stand_in_setup_cfg():
    assert find_supported("spacy") == "<3.9,>=3.8.7"


@pytest.mark.slow
def test_two_builds_give_the_same_bytes(model, tmp_path, monkeypatch):
    [monkeypatch.setenv(*item) for item in BUILD_HERE.items()]
    for kind in ("full", "half"):
        wheels = [
            build_model_wheel(
                model, tmp_path / str(i), name="tiny", version="1.0", meta={}, precision=kind
            )
            for i in range(2)
        ]
        assert hash_file(wheels[0]) == hash_file(wheels[1])
    plugins = [build_plugin_wheel(ROOT, tmp_path / str(i)) for i in range(2)]
    assert hash_file(plugins[0]) == hash_file(plugins[1])
