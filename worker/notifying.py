"""Sends notices to a webhook: signed, repeated for a while, never in the way of the work.

One thread takes them from a bounded queue. When it overflows, the oldest go, requests first.
"""

import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from shared.logs import Log
from shared.settings import WorkerSettings
from worker.notices import SILENT, Notice, Notices, Wording
from worker.outbound import NoAnswer, Reply, ask, host_of

QUEUE_LENGTH: Final = 1000
FLUSH_S: Final = 2.0
PAUSES_S: Final = (2.0, 8.0, 30.0, 80.0)
"""Between five tries, two minutes in all: a receiver's restart, not its outage."""

SIGNATURE: Final = "X-InfraGate-Signature"
_RETRIED: Final = frozenset({408, 425, 429})
_GOOD: Final = range(200, 300)
_SERVER_ERROR: Final = 500

_log = Log("worker.notices")


class Webhook:
    """A `Notices` that posts to one address. Thread-safe; its thread starts with the first notice.

    `url` may hold a secret and is never logged. With `secret` each request is signed.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None,
        wording: Wording,
        clock: Callable[[], float],
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._url = url
        self._secret = secret
        self._wording = wording
        self._clock = clock
        self._pauses_s = tuple(pauses_s)
        self._waiting: deque[Notice] = deque()
        self._dropped = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, notice: Notice) -> None:
        """Queues the notice; at `QUEUE_LENGTH` the oldest one goes, requests before the rest."""
        with self._changed:
            if len(self._waiting) >= QUEUE_LENGTH:
                self._drop_one()
            self._waiting.append(notice)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Tries each notice that is left once, for `FLUSH_S` seconds in all."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()
            thread = self._thread
        if thread is None:
            return
        thread.join(FLUSH_S)
        with self._changed:
            lost = len(self._waiting) + thread.is_alive()
            self._waiting.clear()
        if lost:
            _log.warning("notice.unsent", host=host_of(self._url), count=lost)

    def _drop_one(self) -> None:
        first = next((at for at, one in enumerate(self._waiting) if one.can_wait), 0)
        del self._waiting[first]
        self._dropped += 1
        if self._dropped == 1:
            _log.warning("notice.dropped", host=host_of(self._url), queue=QUEUE_LENGTH)

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            notice, dropped = taken
            if not self._sent(notice, dropped):
                with self._changed:
                    self._dropped += 1

    def _next(self) -> tuple[Notice, int] | None:
        """Waits for a notice, decisions and writes first; None when told to stop and all is sent.

        What was counted as lost is handed out once, to be told.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping.is_set())
            if not self._waiting:
                return None
            first = next((at for at, one in enumerate(self._waiting) if not one.can_wait), 0)
            notice = self._waiting[first]
            del self._waiting[first]
            dropped, self._dropped = self._dropped, 0
            return notice, dropped

    def _sent(self, notice: Notice, dropped: int) -> bool:
        body = json.dumps(self._wording.payload(notice, dropped=dropped)).encode()
        cause = ""
        for number, pause in enumerate((*self._pauses_s, None), start=1):
            cause, wait = self._tried(body)
            if not cause:
                return True
            if wait is None or pause is None or self._stopping.wait(max(pause, wait)):
                _log.warning(
                    "notice.failed",
                    host=host_of(self._url),
                    happened=notice.event.value,
                    tries=number,
                    cause=cause,
                )
                break
        with self._changed:
            self._dropped += dropped  # still untold
        return False

    def _tried(self, body: bytes) -> tuple[str, float | None]:
        """Returns why it failed (empty: it did not) and the least wait; None: trying is no use."""
        try:
            reply = ask(self._url, body=body, headers=self._headers(body))
        except NoAnswer as fault:
            return str(fault), 0.0
        if reply.status in _GOOD:
            return "", None
        return f"HTTP {reply.status}", _wait_of(reply, longest=max(self._pauses_s, default=0.0))

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, int(self._clock()), body)
        return headers


def signature(secret: str, at: int, body: bytes) -> str:
    """Returns `t=<epoch>,v1=<hex>`: HMAC-SHA256 over `<epoch>.<body>`; made anew for each try."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def make_notices(settings: WorkerSettings, clock: Callable[[], float]) -> Notices:
    """Returns the webhook of the settings, or one that is silent. Opens no connection."""
    if settings.notice_url is None:
        return SILENT
    secret = settings.notice_secret
    return Webhook(
        settings.notice_url.get_secret_value(),
        secret=None if secret is None else secret.get_secret_value(),
        wording=Wording(link_base=settings.approval_base_url, cluster=settings.cluster),
        clock=clock,
    )


def _wait_of(reply: Reply, *, longest: float) -> float | None:
    if reply.status not in _RETRIED and reply.status < _SERVER_ERROR:
        return None
    return min(reply.retry_after_s or 0.0, longest)
