"""Log lines: a constant event name and facts as fields, as text or JSON. Never payloads or tokens.

An event is `area.what_happened`; what varies is in the fields, so that lines can be counted. What
other libraries log comes out in the same form, as the event `library`. A line that comes of a
request has its id, whoever wrote it, and that of its trace where there is one.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

from shared import request_ids, tracing

Field: TypeAlias = str | int | float | bool | None

MAX_TEXT: Final = 512


class Log:
    """A logger that takes an event and its fields instead of a sentence."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **fields: Field) -> None:
        """Says what went as it should."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Says what an operator should look at when it repeats."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Says what an operator should look at now."""
        self._say(logging.ERROR, event, fields)

    def _say(self, level: int, event: str, fields: dict[str, Field]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"fields": fields})


def configure(service: str, form: Literal["text", "json"], *, level: int = logging.INFO) -> None:
    """Sends everything that is logged to stderr in one form; `service` is in every line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(service, as_json=form == "json"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def trace_of(error: BaseException) -> str:
    """Returns where an exception came from: types, files and lines; no messages, no values.

    Messages of exceptions hold whatever was being worked on, so they never reach a log.
    """
    frames = []
    place = error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{place.tb_lineno} {code.co_name}")
        place = place.tb_next
    return f"{type(error).__name__} at " + " < ".join(reversed(frames))


class _Lines(logging.Formatter):
    """One line for each record, whatever is in it."""

    def __init__(self, service: str, *, as_json: bool) -> None:
        super().__init__()
        self._service = service
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        level, content = record.levelname.lower(), _content(record) | _bound()
        if self._as_json:
            bound = {"time": time, "level": level, "service": self._service, "logger": record.name}
            return json.dumps(bound | content)
        event = content.pop("event")
        facts = "".join(f" {name}={json.dumps(value)}" for name, value in content.items())
        return f"{time} {level:<7} {self._service} {event}{facts}"


def _content(record: logging.LogRecord) -> dict[str, Field]:
    fields: dict[str, Field] | None = getattr(record, "fields", None)
    if fields is None:
        content: dict[str, Field] = {"event": "library", "message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            content["trace"] = trace_of(record.exc_info[1])
        return {name: _cut(value) for name, value in content.items()}
    return {"event": str(record.msg), **{name: _cut(value) for name, value in fields.items()}}


def _bound() -> dict[str, Field]:
    """What every line of a request has."""
    ids = {"request": request_ids.current(), "trace_id": tracing.trace_id()}
    return {name: value for name, value in ids.items() if value}


def _cut(value: Field) -> Field:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return value[:MAX_TEXT] + "…"
    return value
