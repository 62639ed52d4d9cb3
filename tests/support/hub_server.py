"""A stand-in for the Hugging Face hub: a local server with one model, and what it was sent."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import huggingface_hub.constants
import huggingface_hub.file_download
import numpy as np
import pytest
from huggingface_hub import utils
from safetensors.numpy import save

NAME = "tiny/model"
# huggingface_hub 1 renamed it.
reset_sessions = getattr(utils, "close_session", None) or utils.reset_sessions


class Hub:
    """What the server gives and what it got.

    files (dict[str, bytes]): The files of the model.
    sha (str): Its newest commit.
    sent (dict[str, bytes]): What is sent in place of a file, broken on the way.
    paths (list[str]): The files that were asked for.
    requests (list[tuple]): Method, path, headers and body of all requests.
    """

    def __init__(self):
        self.files = {
            "config.json": b'{"model_type": "bert"}',
            "model.safetensors": save({"weight": np.ones(200)}),
            "vocab.txt": b"[PAD]\n",
            "pytorch_model.bin": b"pickle",
            "run.py": b"raise SystemExit",
            "onnx/model.safetensors": b"other",
            "README.md": b"# Tiny",
        }
        self.url = ""
        self.sha = "1" * 40
        self.sent = {}
        self.paths = []
        self.requests = []
        self.status = 200

    def describe(self, sha):
        return {
            "id": NAME,
            "modelId": NAME,
            "sha": sha,
            "private": False,
            "cardData": {"license": "apache-2.0"},
            "tags": [],
            "siblings": [describe_file(*item) for item in self.files.items()],
        }

    def answer(self, path, body):
        """Give status, headers and body for a request."""
        parts = urlsplit(path).path.strip("/").split("/")
        if parts[0] == "api":
            return self.answer_api(parts[1:], body)
        owner, name, _, sha, *rest = parts
        file = "/".join(rest)
        self.paths.append(file)
        if f"{owner}/{name}" != NAME or file not in self.files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        data = self.sent.get(file, self.files[file])
        etag = hashlib.sha256(self.files[file]).hexdigest()
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": sha}, data

    def answer_api(self, parts, body):
        if parts[:1] == ["models"] and "revision" in parts:
            sha = parts[-1] if len(parts[-1]) == 40 else self.sha
            return to_json(self.describe(sha))
        if parts == ["models", *NAME.split("/")]:
            return to_json(self.describe(self.sha))
        if parts[:2] == ["repos", "create"]:
            made = json.loads(body)
            return to_json({"url": f"{self.url}/{made['organization']}/{made['name']}"})
        if "preupload" in parts:
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]
            return to_json({"files": modes})
        if "commit" in parts:
            return to_json(
                {
                    "commitUrl": f"{self.url}/{parts[1]}/{parts[2]}/commit/{'2' * 40}",
                    "commitOid": "2" * 40,
                }
            )
        return to_json({})


def describe_file(name, data):
    git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    described = {"rfilename": name, "size": len(data), "blobId": git}
    if name.endswith(".safetensors"):
        sha256 = hashlib.sha256(data).hexdigest()
        described["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 130}
    return described


def to_json(value):
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextmanager
def run_hub():
    """Serve a hub on a free port of this machine; gives it with its address in `url`."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def handle_all(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.requests.append((self.command, self.path, dict(self.headers), body))
            status, headers, data = hub.answer(self.path, body)
            self.send_response(hub.status if hub.status != 200 else status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = handle_all  # noqa: N815 - the server's names

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def go_online(monkeypatch, cache, endpoint):
    """Let huggingface_hub talk to an address, whatever the environment said before."""
    for name in ("HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # As if HF_ENDPOINT had been set before huggingface_hub was imported.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(cache / "token"))
    reset_sessions()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A running stand-in that huggingface_hub talks to."""
    with run_hub() as running:
        go_online(monkeypatch, tmp_path / "cache", running.url)
        yield running
    reset_sessions()
