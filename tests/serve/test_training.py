"""Training on demand: a project's annotations → a run of its own → its model, once scored."""

import importlib.util
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from spacy.tokens import DocBin
from starlette.testclient import TestClient
from support.pipelines import make_nlp
from support.serving import RECORDED
from support.trainings import make_config, write_corpus

from spacy_bert_ner.serve import training
from spacy_bert_ner.serve.app import make_app
from spacy_bert_ner.serve.settings import ServerSettings
from spacy_bert_ner.serve.training import Trainer

# 21 tasks as Label Studio exports them; two people have annotated the last one.
PROJECT = RECORDED["export"]
[EVENT] = [one["body"] for one in RECORDED["requests"] if "START_TRAINING" in str(one["body"])]


@contextmanager
def label_studio(project, monkeypatch, key="secret"):
    """A Label Studio with one project; it knows the key, or the token that the key is worth."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, found):
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            is_known = self.path.rstrip("/") == "/api/token/refresh" and sent == {"refresh": key}
            self.answer(200 if is_known else 401, {"access": "short-lived"})

        def do_GET(self):
            wanted = "Bearer short-lived" if key.count(".") == 2 else f"Token {key}"
            # Label Studio takes both spellings; its SDK has used either.
            path = self.path.replace("export_type", "exportType")
            if self.headers["authorization"] != wanted:
                self.answer(401, {"detail": "Invalid token."})
            elif path == f"/api/projects/{EVENT['project']['id']}/export?exportType=JSON":
                self.answer(200, project)
            else:
                self.answer(404, {})

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("LABEL_STUDIO_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def backend(nlp, tmp_path, config="config.cfg"):
    settings = ServerSettings("", train_config=str(config), train_output=str(tmp_path / "runs"))
    with TestClient(make_app(nlp, settings)) as client:
        yield client


def wait(client):
    end = time.monotonic() + 300
    while (state := client.get("/label-studio/training").json())["status"] == "running":
        assert time.monotonic() < end, state
        time.sleep(0.02)
    return state


def ask(client):
    return client.post(
        "/v1/entities", json={"texts": ["Alex Smith lives in New York now ."]}
    ).json()


@pytest.fixture
def steps(trained, monkeypatch):
    """Steps of a run without their processes: the training step leaves this pipeline."""
    nlp = make_nlp()
    nlp.get_pipe("ner").from_bytes(trained.get_pipe("ner").to_bytes())
    nlp.meta["performance"] = {"ents_f": 0.75}
    seen = []

    async def call(self, command, *args):
        seen.append([command, *map(str, args)])
        if command == "train":
            folder = args[args.index("--output") + 1]
            folder.mkdir()
            nlp.to_disk(folder / "model-best")
            # The last line is not whole yet.
            (folder / "log.jsonl").write_text('{"step": 1}\n{"step": 2, "score": 0.75}\n{"st')

    monkeypatch.setattr(Trainer, "_call", call)
    monkeypatch.setattr(training, "load", lambda _: nlp)
    return seen, nlp


@pytest.mark.parametrize("key", ["secret", "a.personal.token"])
def test_the_model_is_served_once_it_has_a_score(trained, steps, tmp_path, monkeypatch, key):
    with label_studio(PROJECT, monkeypatch, key), backend(trained, tmp_path) as client:
        before = ask(client)
        assert client.post("/label-studio/webhook", json=EVENT).status_code == 201
        state = wait(client)
        assert state["status"] == "done", state
        assert state["ents_f"] == 0.75
        assert state["progress"] == {"step": 2, "score": 0.75}
        # At once: Label Studio asks for new predictions only if the version is a new one.
        version = client.post("/label-studio/setup", json={}).json()["model_version"]
        after = ask(client)
        assert after["results"] == before["results"] and after["version"] != before["version"]
        assert version.endswith(after["version"])
    [folder] = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "export.json").read_text()) == PROJECT
    assert [step[0] for step in steps[0]] == ["convert", "train"]
    assert steps[0][1][1] == "config.cfg" and "--gpu-id -1" in " ".join(steps[0][1])


def test_a_model_without_a_score_is_not_served(trained, steps, tmp_path, monkeypatch):
    del steps[1].meta["performance"]["ents_f"]
    with label_studio([], monkeypatch), backend(trained, tmp_path) as client:
        before = ask(client)
        client.post("/label-studio/webhook", json=EVENT)
        state = wait(client)
        assert state["status"] == "failed" and "ents_f" in state["error"]
        assert ask(client) == before


def test_a_step_that_fails_is_shown_with_its_log(trained, tmp_path, monkeypatch):
    with label_studio({"no": "tasks"}, monkeypatch), backend(trained, tmp_path) as client:
        client.post("/label-studio/webhook", json=EVENT)
        state = wait(client)
        assert state["status"] == "failed" and "convert ended with exit code 1" in state["error"]
        assert state["log"]
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", "wrong")
        time.sleep(1)  # folders are named by the second
        client.post("/label-studio/webhook", json=EVENT)
        assert "401" in wait(client)["error"]


def test_one_run_at_a_time_and_only_if_asked_for(trained, steps, tmp_path, monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(training, "_fetch_export", lambda _: b"[]" if goes_on.wait(100) else b"")
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    with backend(trained, tmp_path) as client:
        other = {**EVENT, "action": "ANNOTATION_CREATED"}
        assert client.post("/label-studio/webhook", json=other).json() == {"status": "idle"}
        assert client.post("/label-studio/webhook", json=EVENT).json()["status"] == "running"
        again = client.post("/label-studio/webhook", json=EVENT)
        assert again.status_code == 409 and "is going on" in again.json()["detail"]
        goes_on.set()
        assert wait(client)["status"] == "done"
    with backend(trained, tmp_path, config="") as client:
        refused = client.post("/label-studio/webhook", json=EVENT)
        assert refused.status_code == 409 and "LABEL_STUDIO_URL" in refused.json()["detail"]


@pytest.mark.slow
def test_a_recorded_project_is_trained_by_the_commands(trained, tmp_path, monkeypatch):
    write_corpus(tmp_path)  # for the paths in the config, which the run replaces
    config = make_config(tmp_path, **{"training.max_epochs": 8})
    config["paths"] = {"train": "", "dev": ""}
    config["training"]["logger"]["@loggers"] = "spacy-bert-ner.Logger.v1"
    for part in ("train", "dev"):
        config["corpora"][part]["path"] = f"${{paths.{part}}}"
    config.to_disk(tmp_path / "config.cfg", interpolate=False)
    with (
        label_studio(PROJECT, monkeypatch) as url,
        backend(trained, tmp_path, tmp_path / "config.cfg") as client,
    ):
        read_by_sdk(url)
        client.post("/label-studio/webhook", json=EVENT)
        state = wait(client)
        assert state["status"] == "done", state
        assert 0 < state["ents_f"] <= 1 and state["progress"]["step"] > 0
    docs = [
        doc
        for part in ("train", "dev")
        for doc in DocBin()
        .from_disk(next((tmp_path / "runs").glob(f"*/corpus/{part}.spacy")))
        .get_docs(trained.vocab)
    ]
    # One doc for each task, though two annotated one; two people next to each other stay two.
    found = {doc.text: [(ent.text, ent.label_) for ent in doc.ents] for doc in docs}
    assert len(docs) == len(found) == len(PROJECT)
    for task in PROJECT:
        values = [region["value"] for region in task["annotations"][0]["result"]]
        expected = [(value["text"], *value["labels"]) for value in values]
        assert found[task["data"]["text"]] == expected
    assert expected == [("Ann Lee", "PER"), ("Omar Said", "PER"), ("Iraq", "LOC")]


def read_by_sdk(url):
    """The official client reads the same project from our Label Studio."""
    if not importlib.util.find_spec("label_studio_sdk"):
        return
    client = importlib.import_module("label_studio_sdk").LabelStudio(base_url=url, api_key="secret")
    content = b"".join(
        client.projects.exports.download_sync(EVENT["project"]["id"], export_type="JSON")
    )
    assert json.loads(content) == PROJECT
