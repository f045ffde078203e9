"""The id of the request that is being served: one for gateway, queue, worker and audit log.

The gateway's edge makes it, the queue carries it, and every log line and audit record that comes of
the request has it. Whoever owns the gateway can send any id: it helps to find, it proves nothing.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final = re.compile(r"[0-9a-f]{32}")

_current: ContextVar[str] = ContextVar("infragate_request", default="")


def current() -> str:
    """Returns the id of the request that is being served; empty outside of one."""
    return _current.get()


@contextmanager
def serving(request_id: str) -> Iterator[None]:
    """While this lasts, `current` answers this id, also in tasks that are started meanwhile."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
