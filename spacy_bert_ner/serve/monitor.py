"""What a server does → numbers for Prometheus, and lines of JSON without a client's text."""

import json
import logging
import os
import traceback
from pathlib import Path
from typing import Any

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

# Where several worker processes keep their numbers, so that each can show the sum.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
REQUESTS = Counter("bert_ner_requests", "Answers by path and status", ["path", "status"])
LATENCY = Histogram(
    "bert_ner_latency_seconds",
    "Time from a request's first byte to its answer",
    ["path"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
WORDS = Counter("bert_ner_words", "Words predicted")
BATCH = Histogram("bert_ner_batch_words", "Words in a batch", buckets=[2**n for n in range(4, 15)])
QUEUE = Gauge("bert_ner_queue_words", "Words that wait or are in work", multiprocess_mode="livesum")
_log = logging.getLogger(__name__)


def show_metrics() -> bytes:
    """RETURNS (bytes): All numbers, summed over the worker processes."""
    registry = REGISTRY
    if FOLDER in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)


def log_event(event: str, **fields: Any) -> None:
    """Log what happened.

    event (str): A fixed text.
    **fields: Its numbers and names; none may hold a client's text.
    """
    _log.info(event, extra={"fields": fields})


def log_fault(error: BaseException) -> None:
    """Log an error without its message, which may have a client's text in it.

    error (BaseException): The error.
    """
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    _log.error("fault", extra={"fields": {"error": type(error).__name__, "places": places}})


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, event and the record's own fields; of an error, only its kind.

        record (LogRecord): The record; `extra={"fields": {…}}` gives it fields.
        RETURNS (str): The line.
        """
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "process": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


def configure_logs() -> None:
    """Send the server's log to stderr, from level info on; libraries from level warning on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _log.setLevel(logging.INFO)
