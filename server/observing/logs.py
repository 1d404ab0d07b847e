"""The log on standard error: lines for people, or a JSON object a line. Each names the call that it is of."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from shortlist.server import observed

LogFormat = Literal["plain", "json"]

_PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# What every record has; the rest is what a line was given as `extra`.
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "call"}


def configure(level: str, form: LogFormat) -> None:
    """Log from now on what is as severe as `level`, or more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Plain(_PLAIN))
    handler.addFilter(_with_call)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _with_call(record: logging.LogRecord) -> bool:
    """Give a record the call under way, unless the line names one: a run has the calls of others."""
    if not hasattr(record, "request_id") and (call := observed.current()):
        record.request_id = call.request_id
        record.method = call.method
        if call.trace_id:
            record.trace_id = call.trace_id
    return True


class Plain(logging.Formatter):
    """Lines for people; the call's id stands behind the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the first line."""
        line = super().formatMessage(record)
        request_id = getattr(record, "request_id", "")
        return f"{line} (request {request_id})" if request_id else line


class Json(logging.Formatter):
    """JSON objects: time, level, logger and message, and whatever else is known of a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, whatever the message holds."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {name: value for name, value in record.__dict__.items() if name not in _USUAL}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            told["stack"] = self.formatStack(record.stack_info)
        return json.dumps(told, default=str)
