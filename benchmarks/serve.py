"""How many words per second does `bert-ner serve` answer, and how long do clients wait?

    python benchmarks/serve.py MODEL [--seconds 120] [--rounds 3] [--soak 1800] [--idle 10000]

64 clients with one sentence each against `bert-ner serve`, against nlp(text) in FastAPI's thread
pool, and next to both nlp.pipe in one process, in turns; then p50 and p99 at 10 % and 80 % of the
load that the server can take. `--soak` watches its memory, `--idle` opens connections that do
nothing. The server, the peer and the clients share the machine's cores. Needs the extra `serve`.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from timing import describe_machine

import spacy_bert_ner
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.serve.server import bind

ROOT = Path(__file__).parent.parent
N_CLIENTS = 64


def read_texts(n=2_000):
    """Sentences of the Kaggle corpus."""
    sentences = open_data(ROOT / "assets" / "kaggle" / "ner_dataset.csv.zip").sentences()
    return [" ".join(sentence.words) for sentence in itertools.islice(sentences, n)]


def run_peer(model, port):
    """What people write: one text at a time, in FastAPI's thread pool."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    nlp = spacy_bert_ner.load(model)
    app = FastAPI()

    class Body(BaseModel):
        texts: list[str]

    @app.get("/ready")
    def ready():
        return {}

    @app.post("/v1/entities")
    def find(body: Body):
        docs = [nlp(text) for text in body.texts]
        return [[(e.start_char, e.end_char, e.label_, e._.score) for e in doc.ents] for doc in docs]

    uvicorn.run(app, port=port, log_level="warning")


def run_pipe(model, seconds):
    """Words per second, and per second of the processor, of nlp.pipe with all texts at once."""
    nlp = spacy_bert_ner.load(model)
    texts = itertools.cycle(read_texts())
    list(nlp.pipe(itertools.islice(texts, 64)))
    n_words, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        with nlp.memory_zone():
            n_words += sum(map(len, nlp.pipe(list(itertools.islice(texts, 256)))))
    cpu = time.process_time() - cpu
    print(n_words / (time.perf_counter() - started), n_words / cpu)


@contextmanager
def running(command):
    """Start a server on a free port; give its process, port and seconds until it is ready."""
    with bind("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        while asyncio.run(is_silent(port)):
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
            time.sleep(0.05)
        yield process, port, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


async def is_silent(port):
    """Whether a server does not answer yet."""
    try:
        connection = await asyncio.open_connection("127.0.0.1", port)
        return (await ask(connection, b"GET", "/ready"))[0] != 200
    except OSError:
        return True


async def ask(connection, method, path, body=b""):
    """Send a request; give status and body of the answer."""
    reader, writer = connection
    head = f" {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    writer.write(method + head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    n_bytes = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(answer.split()[1]), await reader.readexactly(n_bytes)


async def send(port, bodies, seconds, rate=None):
    """Send requests from N_CLIENTS connections; give the words answered and each latency.

    rate (float | None): Requests per second that arrive at random; `None` for as many as the
        clients can, each waiting for its answer.
    """
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(N_CLIENTS)]
    items = itertools.cycle(bodies)
    end = time.perf_counter() + seconds
    latencies, words = [], 0

    async def one(connection, began):
        nonlocal words
        n_words, body = next(items)
        status, _ = await ask(connection, b"POST", "/v1/entities", body)
        if status != 200:
            raise RuntimeError(f"status {status}")
        latencies.append(time.perf_counter() - began)
        words += n_words

    async def client(connection):
        while time.perf_counter() < end:
            await one(connection, time.perf_counter())

    async def arrivals():
        free = asyncio.Queue()
        for connection in connections:
            free.put_nowait(connection)

        async def visit(began):
            connection = await free.get()
            await one(connection, began)
            free.put_nowait(connection)

        tasks = []
        rng = random.Random(0)
        due = time.perf_counter()
        while due < end:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(visit(due)))
            due += rng.expovariate(rate)
        await asyncio.gather(*tasks)

    started = time.perf_counter()
    await (arrivals() if rate else asyncio.gather(*map(client, connections)))
    seconds = time.perf_counter() - started
    for _, writer in connections:
        writer.close()
    return words / seconds, len(latencies) / seconds, latencies


def find_quantiles(latencies):
    """The middle and the slowest of 100."""
    cuts = statistics.quantiles(latencies, n=100)
    return {"p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98], "requests": len(latencies)}


def read_cpu(process):
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_mb(process):
    """Resident memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def stand_idle(port, n, bodies):
    """Latencies while so many connections do nothing."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(n)]
    _, _, latencies = await send(port, bodies, 3)
    for _, writer in idle:
        writer.close()
    return find_quantiles(latencies)


def measure(args, bodies, result):
    """Fill the result: words per second in turns, then latencies, idle connections, memory."""
    own = [sys.executable, __file__, args.model]
    ours = [sys.executable, "-m", "spacy", "bert-ner", "serve", args.model]
    found = result["words_per_second"] = {"serve": [], "thread pool": [], "nlp.pipe": []}
    # On a busy machine, a process with more threads gets a larger share of the processor.
    per_cpu = result["words_per_cpu_second"] = {name: [] for name in found}
    rates = []
    with running(ours) as (process, port, ready), running([*own, "--as", "peer"]) as peer:
        result["seconds_to_ready"] = {"serve": ready, "thread pool": peer[2]}
        for _ in range(args.rounds):
            for name, server, at in (("serve", process, port), ("thread pool", peer[0], peer[1])):
                cpu = read_cpu(server)
                words, rate, latencies = asyncio.run(send(at, bodies, args.seconds))
                seconds = len(latencies) / rate
                found[name].append(words)
                per_cpu[name].append(words * seconds / (read_cpu(server) - cpu))
                if name == "serve":
                    rates.append(rate)
            command = [*own, "--as", "pipe", "--seconds", str(args.seconds)]
            words, words_per_cpu = map(float, subprocess.check_output(command).split())
            found["nlp.pipe"].append(words)
            per_cpu["nlp.pipe"].append(words_per_cpu)
        for share in (0.1, 0.8):
            rate = share * statistics.median(rates)
            _, _, latencies = asyncio.run(send(port, bodies, args.seconds, rate=rate))
            result[f"latency at {share:.0%} load"] = find_quantiles(latencies)
        if args.idle:
            latency = asyncio.run(stand_idle(port, args.idle, bodies))
            result[f"latency with {args.idle} idle connections"] = latency
        if args.soak:
            sizes = result["memory_mb"] = [read_mb(process)]
            for _ in range(10):
                asyncio.run(send(port, bodies, args.soak / 10))
                sizes.append(read_mb(process))
    for unit in ("words_per_second", "words_per_cpu_second"):
        middle = {name: statistics.median(values) for name, values in result[unit].items()}
        for peer in ("thread pool", "nlp.pipe"):
            result[f"{unit}: serve / {peer}"] = middle["serve"] / middle[peer]


def main():
    """Measure, print, and write results/serve.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=float, default=0)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--as", dest="role", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role == "peer":
        run_peer(args.model, args.port)
    elif args.role == "pipe":
        run_pipe(args.model, args.seconds)
    else:
        make_doc = spacy_bert_ner.load(args.model).make_doc
        bodies = [(len(make_doc(x)), json.dumps({"texts": [x]}).encode()) for x in read_texts()]
        result = {"machine": describe_machine(), "seconds": args.seconds, "load": os.getloadavg()}
        measure(args, bodies, result)
        result["load_after"] = os.getloadavg()
        text = json.dumps(result, indent=2)
        (ROOT / "benchmarks" / "results" / "serve.json").write_text(text + "\n")
        print(text)


if __name__ == "__main__":
    main()
