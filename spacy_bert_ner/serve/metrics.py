"""What a server does → the numbers at /metrics, in Prometheus' format."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

METRICS_TYPE = CONTENT_TYPE_LATEST
# Where several worker processes keep their numbers, so that each can show the sum.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        """Start from zero."""
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "bert_ner_requests", "Answers by path and status", ["path", "status"], registry=registry
        )
        self.latency = Histogram(
            "bert_ner_latency_seconds",
            "Time from a request's first byte to its answer",
            ["path"],
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=registry,
        )
        self.words = Counter("bert_ner_words", "Words predicted", registry=registry)
        self.batch = Histogram(
            "bert_ner_batch_words",
            "Words in a batch",
            buckets=(16, 32, 64, 128, 256, 512, 1024, 4096, 16384),
            registry=registry,
        )
        self.queue = Gauge(
            "bert_ner_queue_words",
            "Words that wait or are in work",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def show(self) -> bytes:
        """RETURNS (bytes): All numbers, summed over the worker processes."""
        if not os.environ.get(FOLDER):
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)


def forget_process(pid: int | None) -> None:
    """Leave out the gauges of a worker process that has died."""
    multiprocess.mark_process_dead(pid)
