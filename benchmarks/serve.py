"""How many words per second does `bert-ner serve` answer, and what does it endure?

    python benchmarks/serve.py MODEL [--parts speed,latency,idle,stops,ready,soak] [--stock MODEL]

- speed: 64 clients with one sentence each against `bert-ner serve` and against nlp(text) in
  FastAPI's thread pool, next to nlp.pipe in one process (with 256 texts at once, and with batches
  like the server's), in turns. All share the cores: the processor's seconds count too.
- latency: p50 and p99 at 10 % and 80 % of the load that the server has just taken.
- idle: the same clients while 10,000 connections do nothing.
- stops: SIGTERM under load, 20 times; which request got no answer?
- ready: seconds from the start to the first answer, ours and a stock pipeline's (`--stock`).
- soak: memory during 30 minutes of a small load, with new words in every text.

Each part is written to results/serve.json when it is done. Needs the extra `serve`.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from timing import describe_machine

import spacy_bert_ner
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.serve.batcher import count_words

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "serve.json"
N_CLIENTS = 64
SOAK_RATE = 5


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
        return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs]

    uvicorn.run(app, port=port, log_level="warning")


def run_pipe(model, seconds, batch_words):
    """Words per second, and per second of the processor, of nlp.pipe in one process.

    batch_words (int): Words of a batch, as the server counts them; 0 for 256 texts.
    """
    nlp = spacy_bert_ner.load(model)
    groups = itertools.cycle(list(group_texts(read_texts(), batch_words)))
    list(nlp.pipe(next(groups)))
    n_words, started, cpu = 0, time.perf_counter(), time.process_time()
    with nlp.memory_zone():
        while time.perf_counter() - started < seconds:
            group = next(groups)
            n_words += sum(map(len, nlp.pipe(group, batch_size=len(group))))
    cpu = time.process_time() - cpu
    print(n_words / (time.perf_counter() - started), n_words / cpu)


def group_texts(texts, batch_words):
    """Cut texts into batches."""
    group, n_words = [], 0
    for text in texts:
        n = count_words(text)
        if group and (n_words + n > batch_words if batch_words else len(group) == 256):
            yield group
            group, n_words = [], 0
        group.append(text)
        n_words += n
    yield group


@contextmanager
def running(command):
    """Start a server on a free port; give its process, port and seconds until it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, "--port", str(port)], stderr=log)
        try:
            while asyncio.run(is_silent(port)):
                if process.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(log.read()[-2000:].decode())
                time.sleep(0.05)
            yield process, port, time.perf_counter() - started
        finally:
            process.terminate()
            process.wait()


async def is_silent(port):
    """Whether a server does not answer yet."""
    try:
        client = await connect(port)
    except OSError:
        return True
    status = await asyncio.wait_for(ask(client, b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n"), 60)
    client[1].close()
    return status != 200


def make_request(text):
    """The bytes of a request."""
    body = json.dumps({"texts": [text]}).encode()
    head = "POST /v1/entities HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def connect(port):
    """Open a connection: where to read and where to write."""
    return await asyncio.open_connection("127.0.0.1", port)


async def ask(client, request):
    """Send ready-made bytes; give the answer's status, 0 if the connection ends before."""
    reader, writer = client
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    return int(head[9:12])


async def send(port, items, seconds, rate=None, n_clients=N_CLIENTS):
    """Send requests; give the words answered, the requests a second, and each latency.

    items (Iterator): Pairs of a number of words and a request.
    rate (float | None): Requests per second that arrive at random; `None` for as many as the
        clients can, each waiting for its answer.
    """
    clients = [await connect(port) for _ in range(n_clients)]
    latencies, words, rng = [], 0, random.Random(0)
    due = started = time.perf_counter()

    async def use(client):
        nonlocal words, due
        while (began := due if rate else time.perf_counter()) < started + seconds:
            if rate:
                due += rng.expovariate(rate)
                await asyncio.sleep(max(0, began - time.perf_counter()))
            n_words, request = next(items)
            if (status := await ask(client, request)) != 200:
                raise RuntimeError(f"status {status}")
            latencies.append(time.perf_counter() - began)
            words += n_words
        client[1].close()

    await asyncio.gather(*map(use, clients))
    seconds = time.perf_counter() - started
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


def serve(args):
    """The command that serves the model."""
    return [sys.executable, "-m", "spacy", "bert-ner", "serve", args.model]


def act(args, role):
    """The command that runs this script in another role."""
    return [sys.executable, __file__, args.model, "--as", role, "--seconds", str(args.seconds)]


def measure_speed(args, items):
    """Words per second, by the clock and by the processor, in turns."""
    pipes = {"nlp.pipe": 0, "nlp.pipe, batches of serve": 1024}
    clock = {name: [] for name in ("serve", "thread pool", *pipes)}
    cpu_words = {name: [] for name in clock}
    cpu_clients, rates = [], []
    with running(serve(args)) as ours, running(act(args, "peer")) as peer:
        for _, port, _ in (ours, peer):
            asyncio.run(send(port, items, min(10, args.seconds)))  # warm up
        for _ in range(args.rounds):
            for name, (server, port, _) in (("serve", ours), ("thread pool", peer)):
                cpu, own = read_cpu(server), time.process_time()
                words, rate, latencies = asyncio.run(send(port, items, args.seconds))
                clock[name].append(words)
                cpu_words[name].append(words * len(latencies) / rate / (read_cpu(server) - cpu))
                if name == "serve":
                    rates.append(rate)
                    cpu_clients.append((time.process_time() - own) / len(latencies))
            for name, batch_words in pipes.items():
                command = [*act(args, "pipe"), "--batch-words", str(batch_words)]
                found = map(float, subprocess.check_output(command).split())
                for values, value in zip((clock[name], cpu_words[name]), found, strict=True):
                    values.append(value)
    result = {
        "words_per_second": clock,
        "words_per_cpu_second": cpu_words,
        "cpu_ms_of_a_client_per_request": 1000 * statistics.median(cpu_clients),
        "requests_per_second": statistics.median(rates),
    }
    for unit, values in list(result.items())[:2]:
        ours = statistics.median(values["serve"])
        for name in list(clock)[1:]:
            result[f"{unit}: serve / {name}"] = ours / statistics.median(values[name])
    return result


def measure_latency(args, items):
    """How long clients wait at a part of what the server can take."""
    with running(serve(args)) as (_, port, _):
        asyncio.run(send(port, items, min(10, args.seconds)))
        _, most, _ = asyncio.run(send(port, items, args.seconds))
        found = {"most_requests_per_second": most}
        for share in (0.1, 0.8):
            _, _, latencies = asyncio.run(send(port, items, args.seconds, rate=share * most))
            found[f"{share:.0%}"] = find_quantiles(latencies)
    return found


def measure_idle(args, items):
    """How long clients wait while connections do nothing, and how many of these are open."""

    async def stand(port):
        idle = [await connect(port) for _ in range(args.idle)]
        _, _, latencies = await send(port, items, args.seconds)
        n_open = sum(not reader.at_eof() for reader, _ in idle)
        for _, writer in idle:
            writer.transport.abort()
        return {"connections": n_open, **find_quantiles(latencies)}

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with running([*serve(args), "--timeout", "300"]) as (process, port, _):
        found = {"mb_before": read_mb(process), **asyncio.run(stand(port))}
        return {**found, "mb_after": read_mb(process)}


def measure_stops(args, items):
    """What became of the requests that were sent when SIGTERM came."""

    async def load(port, process):
        statuses = []

        async def use(keep):
            client = None
            while True:
                try:
                    if client is None or client[0].at_eof():
                        client = await connect(port)
                except OSError:  # nobody listens any more
                    return
                statuses.append(await ask(client, next(items)[1]))
                if statuses[-1] != 200:
                    return
                if not keep:
                    client[1].close()
                    client = None

        jobs = asyncio.gather(*(use(i % 2 == 0) for i in range(16)))
        await asyncio.sleep(3)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(jobs, 120)
        return statuses

    counts = {"stops": 0, "answered": 0, "refused": 0, "lost": 0, "exit_codes": []}
    for _ in range(args.stops):
        with running(serve(args)) as (process, port, _):
            statuses = asyncio.run(load(port, process))
            counts["exit_codes"].append(process.wait(60))
        counts["stops"] += 1
        counts["answered"] += statuses.count(200)
        counts["refused"] += statuses.count(503)
        counts["lost"] += sum(status not in (200, 503) for status in statuses)
    return counts


def measure_ready(args, _):
    """Seconds from the start to the first answer, in turns."""
    commands = {"serve": serve(args), "thread pool": act(args, "peer")}
    if args.stock:
        stock = argparse.Namespace(**{**vars(args), "model": args.stock})
        commands["serve, stock pipeline"] = serve(stock)
        commands["thread pool, stock pipeline"] = act(stock, "peer")
    found = {name: [] for name in commands}
    for _ in range(args.rounds):
        for name, command in commands.items():
            with running(command) as (_, _, seconds):
                found[name].append(seconds)
    return found


def measure_soak(args, items):
    """Memory, and latencies, during a small load; each text has new words."""
    rng = random.Random(1)
    texts = itertools.cycle(read_texts())

    def renew():
        for i in itertools.count():
            yield 1, make_request(f"{next(texts)} w{i}x{rng.randrange(10**6)}")

    found = {"rate": SOAK_RATE, "memory_mb": [], "latencies": []}
    fresh = renew()
    with running(serve(args)) as (process, port, _):
        for _ in range(30):
            _, _, latencies = asyncio.run(send(port, fresh, args.soak / 30, rate=SOAK_RATE))
            found["memory_mb"].append(read_mb(process))
            found["latencies"] += latencies
    return {**found, "latencies": find_quantiles(found["latencies"])}


PARTS = {
    "speed": measure_speed,
    "latency": measure_latency,
    "idle": measure_idle,
    "stops": measure_stops,
    "ready": measure_ready,
    "soak": measure_soak,
}


def main():
    """Measure, print, and write results/serve.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--stock", help="a trained stock pipeline")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=float, default=1800)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--batch-words", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--as", dest="role", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role == "peer":
        run_peer(args.model, args.port)
    elif args.role == "pipe":
        run_pipe(args.model, args.seconds, args.batch_words)
    else:
        make_doc = spacy_bert_ner.load(args.model).make_doc
        items = itertools.cycle([(len(make_doc(x)), make_request(x)) for x in read_texts()])
        for name in args.parts.split(","):
            kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
            before = os.getloadavg()
            found = PARTS[name](args, items)
            kept["machine"] = describe_machine()
            kept[name] = {"load": [before[0], os.getloadavg()[0]], **found}
            RESULT.write_text(json.dumps(kept, indent=2) + "\n")
            print(name, json.dumps(kept[name], indent=2))


if __name__ == "__main__":
    main()
