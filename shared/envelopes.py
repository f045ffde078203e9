"""The form of a queued call: Celery's message protocol 2 as kombu lays it into a Redis list.

`pack` writes what Celery's own producer would; `unpack` takes nothing else. Celery's protocol can
carry work to do later, again or afterwards (eta, retries, callbacks, chains, groups, chords,
stamps); whoever can push to a queue could use that, so all of it is refused. No transport here.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.errors import Refusal
from shared.foreign_json import foreign_json
from shared.manifests import JSON
from shared.messages import MAX_CALL_BYTES, TASK
from shared.request_ids import REQUEST_ID
from shared.tracing import TRACEPARENT

MAX_ENVELOPE_BYTES: Final = MAX_CALL_BYTES * 4 // 3 + 8 * 1024
"""The call in base64, and headers."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REPLY_TO: Final = re.compile(r"r:[A-Za-z0-9_-]{1,64}")
_HIDDEN: Final = "…"
"""Stands where Celery would put the arguments into headers, for logs."""

_WORKFLOW: Final = ("callbacks", "errbacks", "chain", "chord")
_FORBIDDEN: Final = {
    "eta": "scheduled",
    "retries": "retry",
    "group": "workflow",
    "group_index": "workflow",
    "parent_id": "workflow",
    "chord": "workflow",
    "shadow": "renamed",
    "stamped_headers": "stamped",
    "stamps": "stamped",
    "replaced_task_nesting": "workflow",
    "meth": "workflow",
}
"""Headers that must be empty, and the end of the code when one is not."""
_HARMLESS: Final = frozenset(
    {
        *("lang", "task", "id", "root_id", "expires", "sent_at", "timelimit"),
        *("argsrepr", "kwargsrepr", "origin", "ignore_result"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A call on its way.

    `request` is the id of the request that it comes of, `reply_to` the list for the answers. It was
    sent at `sent_at` and nobody waits for it after `deadline`, in epoch seconds. `traceparent` is
    the span that it comes of, where the gateway is traced.
    """

    id: str
    request: str
    reply_to: str
    sent_at: float
    deadline: float
    call: Mapping[str, JSON]
    traceparent: str | None = None


class _Malformed(Exception):  # noqa: N818 - ends as a refusal
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def pack(envelope: Envelope, *, queue: str) -> bytes:
    """Returns the bytes to push to `queue`."""
    workflow = dict.fromkeys(_WORKFLOW)
    body = json.dumps([[envelope.call], {}, workflow], separators=(",", ":")).encode()
    message = {
        "body": base64.b64encode(body).decode("ascii"),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": _headers(envelope),
        "properties": {
            "correlation_id": envelope.id,
            "reply_to": envelope.reply_to,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": envelope.id,
            # Not a header: workers of before would refuse one that they do not know.
            **({"traceparent": envelope.traceparent} if envelope.traceparent else {}),
        },
    }
    return json.dumps(message, separators=(",", ":")).encode()


def unpack(raw: bytes) -> Envelope | Refusal:
    """Returns the call in a queue's bytes, or why it is none of ours; for any bytes at all.

    The code says what is wrong and is safe to log; nothing of the message is in the refusal.
    """
    try:
        return _unpacked(raw)
    except _Malformed as error:
        return Refusal(code=error.code, message="A queued message is not one of ours.")


def _headers(envelope: Envelope) -> dict[str, JSON]:
    return {
        "lang": "py",
        "task": TASK,
        "id": envelope.id,
        "shadow": None,
        "eta": None,
        "expires": _timestamp(envelope.deadline),
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": envelope.request,
        "parent_id": None,
        "argsrepr": _HIDDEN,
        "kwargsrepr": _HIDDEN,
        "origin": "gateway",
        "ignore_result": True,
        "sent_at": _timestamp(envelope.sent_at),
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def _timestamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def _unpacked(raw: bytes) -> Envelope:
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise _Malformed("message_too_large")
    message = _mapping(_json(raw))
    headers, properties = _mapping(message.get("headers")), _mapping(message.get("properties"))
    _check_headers(headers)
    return Envelope(
        id=_matching(_ID, headers.get("id")),
        request=_matching(REQUEST_ID, headers.get("root_id")),
        reply_to=_matching(_REPLY_TO, properties.get("reply_to")),
        sent_at=_moment(headers.get("sent_at"), otherwise="message_undated"),
        deadline=_moment(headers.get("expires"), otherwise="message_no_deadline"),
        call=_call(message, properties),
        traceparent=_traceparent(properties.get("traceparent")),
    )


def _check_headers(headers: Mapping[str, JSON]) -> None:
    if headers.get("task") != TASK:
        raise _Malformed("message_of_another_task")
    for name, code in _FORBIDDEN.items():
        if headers.get(name):
            raise _Malformed(f"message_{code}")
    if not headers.keys() <= _HARMLESS | _FORBIDDEN.keys():
        raise _Malformed("message_unknown_header")


def _call(message: Mapping[str, JSON], properties: Mapping[str, JSON]) -> dict[str, JSON]:
    form = (message.get("content-type"), message.get("content-encoding"))
    if form != ("application/json", "utf-8"):
        raise _Malformed("message_content_type")
    if properties.get("body_encoding") != "base64":
        raise _Malformed("message_content_type")
    match _json(_decoded(message.get("body"))):
        case [[dict() as call], {**kwargs}, {**workflow}] if not kwargs:
            if any(workflow.values()):
                raise _Malformed("message_workflow")
            return call
    raise _Malformed("message_unreadable")


def _decoded(body: JSON) -> bytes:
    try:
        return base64.b64decode(body, validate=True) if isinstance(body, str) else b""
    except ValueError:
        raise _Malformed("message_unreadable") from None


def _moment(value: JSON, *, otherwise: str) -> float:
    """A time with its zone, as epoch seconds; `otherwise` is the code if it is none."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Malformed(otherwise)
    return moment.timestamp()


def _traceparent(value: JSON) -> str | None:
    return None if value is None else _matching(TRACEPARENT, value)


def _matching(pattern: re.Pattern[str], value: JSON) -> str:
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise _Malformed("message_unaddressed")


def _mapping(value: JSON) -> dict[str, JSON]:
    if isinstance(value, dict):
        return value
    raise _Malformed("message_unreadable")


def _json(raw: bytes) -> JSON:
    try:
        value: JSON = foreign_json(raw)
    except ValueError:
        raise _Malformed("message_unreadable") from None
    return value
