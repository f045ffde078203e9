"""Messages that carry an apply and something more, or in another form: none is a plain call."""

import base64
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

from shared.envelopes import MAX_ENVELOPE_BYTES
from shared.messages import TASK

Message = dict[str, Any]


def hostile(plain: bytes) -> dict[str, bytes]:
    """What can be made of a plain apply that would be done: name to bytes."""
    again = {"task": TASK, "args": [body(plain)], "kwargs": {}, "options": {}}
    changed = {name: _changed(plain, change) for name, change in _CHANGES.items()}
    workflow = {
        name: _with_body(plain, [[body(plain)], {}, {name: [again]}])
        for name in ("callbacks", "errbacks", "chain", "chord")
    }
    return {
        **changed,
        **workflow,
        "keyword arguments": _with_body(plain, [[body(plain)], {"role": "apply"}, {}]),
        "two arguments": _with_body(plain, [[body(plain), body(plain)], {}, {}]),
        "no list": _with_body(plain, body(plain)),
        "a pickle": pickle.dumps(json.loads(plain)),
        "a pickled body": _changed(plain, _pickled),
        "too large": plain + b" " * MAX_ENVELOPE_BYTES,
        "twelve megabytes": b'{"body": "' + b"A" * 12_000_000 + b'"}',
        "very deep": b"[" * 200_000,
        "half": plain[: len(plain) // 2],
        "nothing": b"",
    }


def body(plain: bytes) -> dict[str, Any]:
    """The call in a message."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(plain)["body"]))[0][0]
    return found


def _headers(**values: object) -> Callable[[Message], None]:
    return lambda message: message["headers"].update(values)


def _properties(**values: object) -> Callable[[Message], None]:
    return lambda message: message["properties"].update(values)


def _type(name: str) -> Callable[[Message], None]:
    return lambda message: message.update({"content-type": name})


def _pickled(message: Message) -> None:
    raw = pickle.dumps([[json.loads(base64.b64decode(message["body"]))[0][0]], {}, {}])
    message["body"] = base64.b64encode(raw).decode()
    message["content-type"] = "application/x-python-serialize"


_CHANGES: dict[str, Callable[[Message], None]] = {
    "another task": _headers(task="celery.backend_cleanup"),
    "a task of the module": _headers(task="worker.tasks.perform"),
    "no task": _headers(task=None),
    "a shadow name": _headers(shadow="infragate.read"),
    "later": _headers(eta="2020-01-01T00:00:00+00:00"),
    "a retry": _headers(retries=1),
    "a group": _headers(group="g", group_index=1),
    "a parent": _headers(parent_id="p"),
    "a chord": _headers(chord={"task": TASK}),
    "stamps": _headers(stamps={"role": "apply"}, stamped_headers=["role"]),
    "nested": _headers(replaced_task_nesting=1),
    "a method": _headers(meth="apply"),
    "an unknown header": _headers(role="apply"),
    "no deadline": _headers(expires=None),
    "a deadline without zone": _headers(expires="2099-01-01T00:00:00"),
    "expired": _headers(expires="2020-01-01T00:00:00+00:00"),
    "no id": _headers(id=None),
    "an id with a line break": _headers(id="a\nqueue.refused"),
    "a reply into plans": _properties(reply_to="wk:plans"),
    "a reply into sessions": _properties(reply_to="gw:login:x"),
    "another encoding": _properties(body_encoding="utf-8"),
    "python": _type("application/x-python-serialize"),
    "yaml": _type("application/x-yaml"),
    "data": _type("application/data"),
}


def _changed(plain: bytes, change: Callable[[Message], None]) -> bytes:
    message = copy.deepcopy(json.loads(plain))
    change(message)
    return json.dumps(message).encode()


def _with_body(plain: bytes, content: object) -> bytes:
    message = json.loads(plain)
    message["body"] = base64.b64encode(json.dumps(content).encode()).decode()
    return json.dumps(message).encode()
