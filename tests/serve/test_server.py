"""A real server: slow, half-sent, idle and large requests; a stop that loses nothing."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httptools")
pytest.importorskip("prometheus_client")

from support.serving import make_request, read_answer, serving

from spacy_bert_ner.manifest import write_manifest
from spacy_bert_ner.serve import server
from spacy_bert_ner.serve.settings import ServerSettings

REQUEST = make_request({"texts": ["London is big"]})


@pytest.fixture(scope="module")
def served(trained):
    with serving(trained) as served:
        yield served


@pytest.fixture
def hasty(served, monkeypatch):
    """The same server, which gives up requests after a second."""
    with monkeypatch.context() as patch:
        patch.setattr(served.server.guard, "settings", ServerSettings("", timeout=1.0))
        yield served
    assert is_alive(served)


def is_alive(served):
    with served.connect() as sock:
        sock.sendall(REQUEST)
        status, _, found = read_answer(sock)
    return status == 200 and found["results"][0]["entities"][0]["text"] == "London"


def test_one_connection_serves_many_requests(served):
    with served.connect() as sock:
        for _ in range(5):
            sock.sendall(REQUEST)
            assert read_answer(sock)[0] == 200


@pytest.mark.parametrize("is_split", [False, True])
def test_a_client_that_offers_http_2_is_answered(served, is_split):
    # Java's HttpClient does with each request, and `curl --http2`.
    body = REQUEST.partition(b"\r\n\r\n")[2]
    offer = "connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    whole = make_request(body, headers=offer)
    with served.connect() as sock:
        for _ in range(2):
            sock.sendall(whole[: -len(body)])
            if is_split:
                time.sleep(0.1)
            sock.sendall(body)
            assert read_answer(sock)[0] == 200


@pytest.mark.parametrize("sends", ["whole", "asks before", "in chunks"])
def test_a_body_of_50_mb_is_refused(served, sends):
    body = bytes(50_000_000)
    with served.connect() as sock:
        if sends == "whole":
            sock.sendall(make_request(body))
        elif sends == "asks before":
            whole = make_request(body, headers="expect: 100-continue\r\n")
            sock.sendall(whole[: -len(body)])
        else:
            head = b"POST /v1/entities HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            sock.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        status, _, found = read_answer(sock)
    assert status == 413 and "2,000,000 bytes" in found["detail"]
    assert is_alive(served)


def test_a_body_that_stops_half_way_is_given_up(hasty):
    with hasty.connect() as sock:
        started = time.monotonic()
        sock.sendall(REQUEST[:-5])
        status, headers, found = read_answer(sock)
        assert status == 408 and "took too long" in found["detail"]
        assert headers["connection"] == "close"
        assert 0.9 < time.monotonic() - started < 25  # by default, 30 seconds


@pytest.mark.parametrize(
    "data",
    [b"\x00\xff", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"a" * 100_000],
)
def test_what_is_no_http_ends_the_connection(served, data):
    with served.connect() as sock:
        with contextlib.suppress(OSError):  # it may be closed before all is sent
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    assert is_alive(served)


def test_connections_that_do_nothing_cost_nobody_else_and_are_closed(trained):
    # The server closes them after 2 × 2 + 1 seconds.
    with serving(trained, timeout=2.0) as served:
        idle = [served.connect() for _ in range(200)]
        slow = [served.connect() for _ in range(20)]
        for sock in slow:
            with contextlib.suppress(ConnectionError):  # this took more than five seconds
                sock.sendall(REQUEST[:20])
        served.server.guard.settings = ServerSettings("")
        assert is_alive(served)
        for sock in [*idle, *slow]:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
            sock.close()
        assert is_alive(served)


def test_an_answer_that_takes_too_long_is_given_up(hasty, trained, monkeypatch):
    goes_on, pipe = threading.Event(), trained.pipe

    def held(texts, **options):
        assert goes_on.wait(60)
        return pipe(texts, **options)

    with monkeypatch.context() as patch, hasty.connect() as sock:
        patch.setattr(trained, "pipe", held)
        sock.sendall(REQUEST)
        status, headers, found = read_answer(sock)
        goes_on.set()
    assert status == 503 and int(headers["retry-after"]) > 0
    assert "took too long" in found["detail"]


def test_what_a_client_that_has_gone_asked_is_not_predicted(trained, monkeypatch):
    seen, goes_on, pipe = [], threading.Event(), trained.pipe

    def held(texts, **options):
        seen.extend(texts)
        assert goes_on.wait(60)
        return pipe(texts, **options)

    with serving(trained) as served:
        monkeypatch.setattr(trained, "pipe", held)
        batcher = served.server.guard.app.state.batcher
        connections = served.server.server_state.connections

        def wait_for(words, n_clients):
            while (batcher.queued, len(connections)) != (words, n_clients):
                time.sleep(0.005)

        with served.connect() as patient:
            patient.sendall(REQUEST)
            wait_for(3, 1)
            with served.connect() as other:
                other.sendall(make_request({"texts": ["gone"]}))
                wait_for(4, 2)
            wait_for(4, 1)
            goes_on.set()
            assert read_answer(patient)[0] == 200
        wait_for(0, 0)
    assert seen == ["London is big"]


def load(connect, found, stopped, *, keep):
    """Send requests until the server says that it stops; note what became of each.

    A request counts as sent once all its bytes are, and if that is within the half second in
    which the server still answers. On a busy machine, a client may be later.
    """
    sock = None
    while True:
        try:
            sock = sock or connect()
        except OSError:  # nobody listens any more
            assert stopped
            return
        answer = sent = None
        with contextlib.suppress(ConnectionError):
            sock.sendall(REQUEST)
            sent = time.monotonic()
            answer = read_answer(sock)
        if answer is None and stopped and (sent or time.monotonic()) - stopped[0] > 0.5:
            return
        found.append(answer and answer[0])
        if answer is None or answer[0] == 503:
            return
        if not keep or answer[1].get("connection") == "close":
            sock.close()
            sock = None


def stop_under_load(connect, stop):
    """Stop a server that half of 16 clients ask through one connection, half through new ones."""
    found, stopped = [], []
    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(load, connect, found, stopped, keep=i % 2 == 0) for i in range(16)]
        while found.count(200) < 100 and not any(job.done() for job in jobs):
            time.sleep(0.01)
        stopped.append(time.monotonic())
        stop()
        for job in jobs:
            job.result()
    assert set(found) <= {200, 503} and found.count(200) >= 100, set(found)


@pytest.mark.parametrize("n_rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_stop_under_load_answers_every_request(trained, n_rounds):
    for _ in range(n_rounds):
        with serving(trained) as served:
            stop_under_load(served.connect, served.stop)


def test_a_stop_waits_for_answers_but_not_for_half_a_request(trained, monkeypatch):
    begun, pipe = threading.Event(), trained.pipe

    def slow(texts, **options):
        begun.set()
        time.sleep(1.5)
        return pipe(texts, **options)

    with serving(trained, timeout=100.0) as served:
        monkeypatch.setattr(trained, "pipe", slow)
        with served.connect() as half, served.connect() as whole:
            half.sendall(REQUEST[:-5])
            whole.sendall(REQUEST)
            assert begun.wait(60)
            started = time.monotonic()
            served.stop()
            assert read_answer(whole)[0] == 200
            served.thread.join(100)
    assert time.monotonic() - started < 60


def test_settings_are_checked():
    with pytest.raises(ValueError, match="`workers` is 0, expected 1 or more"):
        ServerSettings("", workers=0)


def test_memory_for_shapes_is_bounded_before_the_model_is_loaded(monkeypatch):
    names = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
    for name in names:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def load(_):
        raise ValueError([0 < int(os.environ[name]) < 1024 for name in names])

    monkeypatch.setattr(server, "load", load)
    monkeypatch.setattr(server, "configure_logs", list)
    with pytest.raises(ValueError, match="True, True"):
        server.run_server(ServerSettings(""), socket.socket())


@pytest.fixture
def start(trained, tmp_path):
    """Start the command in a process of its own; give the process and its port."""
    trained.to_disk(tmp_path / "model")
    write_manifest(tmp_path / "model")
    started = []

    def start(*flags):
        command = [sys.executable, "-m", "spacy", "bert-ner", "serve", str(tmp_path / "model")]
        process = subprocess.Popen(
            [*command, "--port", "0", *flags], stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        n_workers = int(flags[flags.index("--workers") + 1]) if "--workers" in flags else 1
        port = n_ready = 0
        while n_ready < n_workers and (line := process.stderr.readline()):
            n_ready += '"event": "ready"' in line
            if found := re.search(r"http://127.0.0.1:(\d+) ", line):
                port = int(found[1])
        assert n_ready == n_workers and port
        return process, port

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_no_accepted_request(start, workers):
    process, port = start("--workers", str(workers))

    def connect():
        return socket.create_connection(("127.0.0.1", port), timeout=60)

    if workers == 2:  # one that dies is replaced
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True
        ).stdout.split()
        os.kill(int(children[0]), signal.SIGKILL)
        for _ in range(10):
            with connect() as sock:
                sock.sendall(REQUEST)
                assert read_answer(sock)[0] == 200
        while '"event": "ready"' not in process.stderr.readline():
            assert process.poll() is None
    threading.Thread(target=process.stderr.read, daemon=True).start()
    stop_under_load(connect, process.terminate)
    assert process.wait(120) == 0
