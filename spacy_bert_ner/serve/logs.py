"""Log records → lines of JSON on stderr, none of which has a client's text."""

import json
import logging
import logging.config
import time
from typing import Any


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, event and the record's own fields; of an error, only its kind.

        record (LogRecord): The record; `extra={"fields": {…}}` gives it fields.
        RETURNS (str): The line.
        """
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{clock}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage().strip(),
            "process": record.process,
        }
        fields = getattr(record, "fields", {})
        line.update((k, round(v, 2) if isinstance(v, float) else v) for k, v in fields.items())
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


def configure_logs() -> None:
    """Send the server's log to stderr, from level info on; libraries from level warning on."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {__package__: {"level": "INFO"}},
        }
    )
