"""A server in a thread of the test process, and requests as raw bytes."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from spacy_bert_ner.serve.app import make_app
from spacy_bert_ner.serve.server import Server
from spacy_bert_ner.serve.settings import ServerSettings

_FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = json.loads((_FIXTURES / "label_studio.json").read_text(encoding="utf8"))
"""What a real Label Studio sent to `serve`, and the export of that project."""


class Served:
    """A running server: its port, the application and the uvicorn server."""

    def __init__(self, nlp, settings):
        sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = sock.getsockname()[1]
        self.server = Server(make_app(nlp, settings))
        self.thread = threading.Thread(target=self.server.run, args=([sock],))
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)

    def stop(self):
        """As SIGTERM does."""
        self.server.should_exit = True

    def connect(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)


@contextmanager
def serving(nlp, **settings):
    served = Served(nlp, ServerSettings("", **settings))
    try:
        yield served
    finally:
        served.stop()
        served.thread.join(120)
        assert not served.thread.is_alive()


def make_request(body, *, path="/v1/entities", headers=""):
    """A POST as bytes; `body` is bytes, or what becomes JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


def read_answer(sock):
    """Read one answer: its status, headers and JSON; `None` if the connection ends before."""
    file = sock.makefile("rb")
    first = file.readline()
    if not first:
        return None
    headers = {}
    while (line := file.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    body = file.read(int(headers["content-length"]))
    return int(first.split()[1]), headers, json.loads(body)
