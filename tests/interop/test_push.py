"""What is sent to the hub is shown first, sent once, and never holds a token."""

import base64
import json
import shutil
import zipfile
from pathlib import Path

import huggingface_hub
import pytest
import spacy
from support.commands import run
from support.heads import build_head
from support.pipelines import make_nlp, train

from spacy_bert_ner.files import hash_file
from spacy_bert_ner.interop.endpoint import write_endpoint
from spacy_bert_ner.interop.push import push_model, staged
from spacy_bert_ner.manifest import BrokenModelError, write_manifest

TEXTS = ["Alex Smith lives in New York now .", "London is big", ""]
TOKEN = "hf_notARealTokenOnlyATest"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    nlp = make_nlp()
    train(nlp, n_steps=20)
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


@pytest.mark.parametrize("option", ["wheel", "plugin"])
@pytest.mark.parametrize("name", ["notes.txt", "folder.whl", "gone.whl"])
def test_only_a_wheel_goes_along(hub, model, tmp_path, option, name):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.whl").mkdir()
    with pytest.raises(ValueError, match=rf"{name}: not a wheel, expected a file"):
        push_model(model, "acme/en_ner", upload=True, **{option: tmp_path / name})
    assert hub.requests == []


@pytest.mark.parametrize("status", [401, 403, 500])
def test_what_the_hub_refuses_is_said_without_the_token(hub, model, monkeypatch, status):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.status = status
    code, output = run("push", model, "acme/en_ner", "--upload")
    assert code == 1
    assert f"did not accept it (status {status})" in output
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
    with pytest.raises(ValueError, match="not a model, expected a pipeline"):
        push_model(tmp_path / "cache", "acme/en_ner", upload=True)
    write_manifest(model)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set, so nothing is sent"):
        push_model(model, "acme/en_ner", upload=True)
    assert hub.requests == []


def test_only_files_of_a_model_are_sent_and_no_link_is_followed(model, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/cfg").write_text("secret")
    (model / "manifest.json").unlink()
    (model / "notes.txt").symlink_to(tmp_path / "secret.txt")
    (model / "other").symlink_to(tmp_path / "folder")
    for name in ("train.spacy", "clients.csv", "run.py", "core.1234", ".env", "ner/data.xlsx"):
        (model / name).write_text("secret")
    shown = push_model(model, "acme/en_ner")
    assert shown.left_out == [
        "clients.csv", "core.1234", "notes.txt", "other", "run.py", "train.spacy", "ner/data.xlsx"
    ]  # fmt: skip
    assert not {*shown.left_out, "other/cfg", ".env"} & set(shown.files)
    assert {"ner/model", "ner/cfg", "vocab/strings.json", "tokenizer"} <= set(shown.files)
    code, output = run("push", model, "acme/en_ner")
    assert code == 0 and "Not sent: clients.csv" in output


def test_a_model_of_links_is_refused_before_anything_is_sent(hub, model, tmp_path):
    data = tmp_path / "weights"
    (model / "ner/model").rename(data)
    (model / "ner/model").symlink_to(data)
    with pytest.raises(ValueError, match=r"ner/model cannot be sent, expected plain files"):
        push_model(model, "acme/en_ner", upload=True)
    assert hub.requests == []


def test_words_and_paths_stay_here(hub, saved, model, tmp_path, monkeypatch):
    nlp = spacy.load(model)
    nlp.vocab.strings.add("Zyxwolf")
    nlp.config["paths"]["train"] = "/home/me/clients.spacy"
    nlp.to_disk(model)
    (model / "manifest.json").unlink()
    wheel = tmp_path / "en_pipeline-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.write(model / "vocab/strings.json", "en_pipeline/en_pipeline-1.0/vocab/strings.json")
    with pytest.raises(ValueError, match=r"\d+ strings that the pipeline does not need"):
        push_model(model, "acme/en_ner", upload=True, wheel=wheel)
    assert hub.requests == []
    push_model(model, "acme/en_ner", upload=True)
    (commit,) = (body for _, path, _, body in hub.requests if "/commit/" in path)
    lines = [json.loads(line)["value"] for line in commit.splitlines() if b'"file"' in line]
    sent = {line["path"]: base64.b64decode(line["content"]) for line in lines}
    assert not any(b"Zyxwolf" in data or b"/home/me" in data for data in sent.values())
    assert b"London" not in sent["vocab/strings.json"]


def test_a_new_repository_is_as_private_as_the_organisation_wants(hub, model):
    made = []
    for private in (None, True, False):
        push_model(model, "acme/en_ner", upload=True, private=private)
        bodies = [body for _, path, _, body in hub.requests if path == "/api/repos/create"]
        made.append(json.loads(bodies[-1]).get("private"))
    assert made == [None, True, False]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("---\nlicense: [mit\n---\n# Mine", "found Invalid YAML"),
        ("---\nlicense: mit\n# Mine", "found None"),
        ("---\n---\n# Mine", "found None"),
        ("---\n- a\n---\n", "found"),
    ],
)
def test_a_damaged_card_is_one_sentence_before_anything_is_sent(hub, model, text, found):
    (model / "README.md").write_text(text)
    write_manifest(model)
    with pytest.raises(ValueError, match=rf"README\.md: .*{found}.*expected YAML"):
        push_model(model, "acme/en_ner", upload=True)
    assert hub.requests == []


def test_a_card_gets_the_half_that_it_lacks(model, tmp_path):
    (model / "README.md").write_text("---\nlicense: mit\n---\n")
    write_manifest(model)
    card = push_model(model, "acme/en_ner").card
    assert (
        card.startswith("---\nlicense: mit\n---\n") and "# en_" in card and "spacy_bert_ner" in card
    )
    folder = build_head("bert", tmp_path / "checkpoint")
    card = push_model(folder, "acme/ner").card
    assert "library_name: transformers" in card and "# checkpoint" in card


def test_the_handler_of_endpoints_answers(model, tmp_path):
    plugin = tmp_path / "spacy_bert_ner-0.1.0-py3-none-any.whl"
    plugin.write_bytes(b"wheel")
    with staged(model, "spacy") as (folder, _):
        copy = Path(shutil.copy(plugin, folder))
        write_endpoint(folder, "acme/en_ner", plugin=copy, host="https://huggingface.co")
        write_manifest(folder)
        text = (folder / "requirements.txt").read_text()
        assert text == (
            "spacy-bert-ner @ https://huggingface.co/acme/en_ner/resolve/main/"
            f"{plugin.name}#sha256={hash_file(plugin)}\n"
        )
        space = {}
        exec((folder / "handler.py").read_text(), space)
        handler = space["EndpointHandler"](str(folder))
    nlp = spacy.load(model)
    expected = [
        [(e.label_, e.text, e.start_char, e.end_char, e._.score) for e in doc.ents]
        for doc in nlp.pipe(TEXTS)
    ]
    keys = ("entity_group", "word", "start", "end", "score")
    found = handler({"inputs": TEXTS})
    assert [[tuple(row[key] for key in keys) for row in rows] for rows in found] == expected
    # in another batch, scores may differ in the last digit
    alone = handler({"inputs": TEXTS[0]})
    assert any(expected) and [row["start"] for row in alone] == [row["start"] for row in found[0]]
    json.dumps(found)
    assert handler({"inputs": []}) == [] and handler({"inputs": ""}) == []
    handler.nlp = spacy.load(model, config={"components.ner.spans_key": "sc"})
    grouped = handler({"inputs": TEXTS})
    assert [[row["start"] for row in rows] for rows in grouped] == [
        [row["start"] for row in rows] for rows in found
    ]
    for wrong in ({}, {"inputs": None}, {"inputs": [1]}, {"inputs": {"text": "a"}}):
        with pytest.raises(ValueError, match=r"Expected .*inputs"):
            handler(wrong)


def test_errors_of_httpx_are_one_sentence(hub, model, monkeypatch):
    httpx = pytest.importorskip("httpx")

    def fail(*args, **options):
        raise httpx.ConnectError("token hf_secret")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", fail)
    with pytest.raises(ValueError, match=r"did not accept it \(ConnectError\)") as error:
        push_model(model, "acme/en_ner", upload=True)
    assert "secret" not in str(error.value)


def test_a_model_that_is_not_there_is_one_sentence(tmp_path):
    code, output = run("push", tmp_path / "nope", "acme/model", "--upload")
    output = " ".join(output.replace("│", " ").split())  # the frame may break the line anywhere
    assert code and "nope' does not exist" in output and "Repo id" not in output
    with pytest.raises(ValueError, match=r"nope: not a model, expected a pipeline"):
        push_model(tmp_path / "nope", "acme/model")
