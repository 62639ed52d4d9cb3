"""What is sent to the hub is shown first, sent once, and never holds a token."""

import base64
import json
import shutil

import pytest
from support.commands import run
from support.heads import build_head
from support.pipelines import make_nlp, train

from spacy_bert_ner.interop.push import push_model
from spacy_bert_ner.manifest import BrokenModelError, write_manifest

TOKEN = "hf_notARealTokenOnlyATest"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    nlp = make_nlp()
    train(nlp, n_steps=1)
    nlp.meta["performance"] = {"ents_p": 0.5, "ents_r": 0.25, "ents_f": 0.33333}
    nlp.meta["license"] = "Apache-2.0"
    nlp.meta["sources"] = [{"name": "Corpus", "url": "https://example.org", "license": "ODbL"}]
    folder = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(folder)
    write_manifest(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def test_a_dry_run_shows_all_and_sends_nothing(hub, model):
    (model / ".env").write_text("secret")
    before = {path: path.stat().st_mtime for path in model.rglob("*")}
    code, output = run("push", model, "acme/en_ner")
    assert code == 0
    assert hub.requests == []
    for part in ("ner/model", "manifest.json", "README.md", "license: apache-2.0", "type: f1"):
        assert part in output
    assert "value: 0.3333" in output
    assert ".env" not in output
    assert "Nothing was sent" in output
    assert {path: path.stat().st_mtime for path in model.rglob("*")} == before


def test_an_upload_makes_the_repository_and_sends_what_was_shown(hub, model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    shown = push_model(model, "acme/en_ner")
    code, output = run("push", model, "acme/en_ner", "--upload", "--private")
    assert code == 0, output
    asked = {path.split("?")[0]: body for _, path, _, body in hub.requests}
    made = json.loads(asked["/api/repos/create"])
    assert (made["name"], made["organization"], made["private"]) == ("en_ner", "acme", True)
    (commit,) = (body for path, body in asked.items() if "/commit/" in path)
    lines = [json.loads(line)["value"] for line in commit.splitlines() if b'"file"' in line]
    sent = {line["path"]: base64.b64decode(line["content"]) for line in lines}
    assert {name: len(data) for name, data in sent.items()} == shown.files
    assert sent["README.md"].decode() == shown.card
    assert "acme/en_ner" in output
    headers = [
        headers.get("authorization", headers.get("Authorization"))
        for *_, headers, _ in hub.requests
    ]
    assert f"Bearer {TOKEN}" in headers
    assert TOKEN not in output
    assert not any(TOKEN.encode() in data for data in sent.values())


def test_the_card_has_tags_and_metrics_for_the_hub(model):
    card = push_model(model, "acme/en_ner").card
    for part in (
        "- spacy\n",
        "token-classification",
        "model-index:",
        "name: Corpus",
        "value: 0.25",
    ):
        assert part in card
    (model / "README.md").write_text("# Mine\n")
    write_manifest(model)
    card = push_model(model, "acme/en_ner").card
    assert card.startswith("---\n")
    assert card.endswith("---\n\n# Mine\n")
    (model / "README.md").write_text("---\nlicense: mit\n---\nMine")
    write_manifest(model)
    assert push_model(model, "acme/en_ner").card == "---\nlicense: mit\n---\nMine"


def test_a_checkpoint_is_sent_as_it_is(tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    shown = push_model(folder, "acme/ner")
    assert shown.layout == "transformers"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= shown.files.keys()


def test_a_wheel_goes_along(model, tmp_path):
    wheel = tmp_path / "en_ner-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    assert push_model(model, "acme/en_ner", wheel=wheel).files[wheel.name] == 5


@pytest.mark.parametrize("status", [401, 403, 500])
def test_what_the_hub_refuses_is_said_without_the_token(hub, model, monkeypatch, status):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.status = status
    code, output = run("push", model, "acme/en_ner", "--upload")
    assert code == 1
    assert f"did not take it (status {status})" in output
    assert "hf auth login" in output
    assert TOKEN not in output


def test_broken_or_strange_folders_are_not_sent(hub, model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Repository 'en_ner', expected OWNER/NAME"):
        push_model(model, "en_ner")
    (model / "weights.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"weights\.pt can run code"):
        push_model(model, "acme/en_ner", upload=True)
    (model / "weights.pt").unlink()
    (model / "ner/model").write_bytes(b"cut")
    with pytest.raises(BrokenModelError, match=r"ner/model has 3 bytes"):
        push_model(model, "acme/en_ner", upload=True)
    with pytest.raises(ValueError, match="no model, expected a pipeline"):
        push_model(tmp_path / "cache", "acme/en_ner", upload=True)
    write_manifest(model)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set, so nothing is sent"):
        push_model(model, "acme/en_ner", upload=True)
    assert hub.requests == []
