"""One warm connection pool to one API server, and the rules of every call. Knows no kinds.

Each call has a time limit, its own or what is left of the errand's (`worker.errands`); answers are
bounded; redirects are never followed, since they would carry the token elsewhere. Reads are tried
again once when a kept-alive connection turns out to be dead. Writes are not, since the server may
have done them. Both are when the server asked for that.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HTTPTimeout

from shared.errors import ClusterFault, ClusterTimeout, ClusterUnreachable
from shared.tracing import NOTHING, Kind, Span, current, span
from worker import errands
from worker.cluster.access import LOOPBACK, Access
from worker.cluster.errors import NotSent, fault_of
from worker.cluster.paths import template_of
from worker.cluster.patience import FOR_A_WRITE_S, TOO_MANY, Throttled, patiently

POOL_SIZE: Final = 32
"""Kept-alive connections: 16 task threads, some of which ask for several lists at once."""

BODY_LIMIT: Final = 64 * 1024 * 1024
ERROR_LIMIT: Final = 64 * 1024
CONNECT_S: Final = 3.0

Query = Mapping[str, str | int | bool | None]
Timed = Callable[[str], AbstractContextManager[None]]
"""Is around each request, with its verb, and sees the fault with which it ends."""


def untimed(_verb: str) -> AbstractContextManager[None]:
    """Times nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer (2xx): the body, its Warning headers as they came (RFC 7234 5.5), its Date."""

    body: bytes
    warnings: tuple[str, ...] = ()
    date: str = ""


class Body:
    """An answer's body, piece by piece. A server that trickles is no better than a silent one."""

    def __init__(self, response: urllib3.BaseHTTPResponse, *, until: float, timeout_s: float):
        self._response = response
        self._until = until
        self._timeout_s = timeout_s

    def read(self, amt: int) -> bytes:
        """Returns `amt` bytes, fewer at the end. Raises ClusterTimeout."""
        pieces: list[bytes] = []
        while amt > 0 and (piece := self.read1(amt)):
            pieces.append(piece)
            amt -= len(piece)
        return b"".join(pieces)

    def read1(self, amt: int) -> bytes:
        """Returns what there is, at most `amt` bytes; none at the end. Raises ClusterTimeout."""
        if time.monotonic() >= self._until:
            raise _timed_out(self._timeout_s)
        return self._response.read1(amt)


class Connection:
    """The pool. Thread-safe; opens nothing before the first call."""

    def __init__(
        self, access: Access, *, timeout_s: float, user_agent: str, timed: Timed = untimed
    ) -> None:
        self._access = access
        self._timed = timed
        self._timeout_s = timeout_s
        server = urlsplit(access.server)
        self._host = server.hostname or ""
        self._port = server.port or {"http": 80}.get(server.scheme, 443)
        local = server.hostname in LOOPBACK
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if not local:  # on loopback compressing costs more than it saves
            self._headers["Accept-Encoding"] = "gzip"
        self._pool = _pool(access)

    def read(self, path: str, query: Query | None = None, *, accept: str = "") -> Answer:
        """GET, repeated once if the connection breaks. Raises ClusterFault."""
        headers = {"Accept": accept} if accept else {}
        ask = partial(self._call, "GET", path, query, headers=headers)
        try:
            return patiently(ask, at_most_s=errands.current().patience_s())
        except _Dropped:
            return patiently(ask, at_most_s=errands.current().patience_s())

    def write(
        self, method: str, path: str, body: bytes, *, query: Query, content_type: str, verb: str
    ) -> Answer:
        """Once, unless the server says that it did nothing and when to come again.

        Raises ClusterFault; after a timeout the outcome is unknown.
        """
        headers = {"Content-Type": content_type}
        ask = partial(self._call, method, path, query, headers=headers, body=body, verb=verb)
        is_real, left_s = not query.get("dryRun"), errands.current().patience_s()
        return patiently(ask, at_most_s=min(FOR_A_WRITE_S, left_s) if is_real else left_s)

    @contextmanager
    def stream(self, path: str, query: Query, *, timeout_s: float | None = None) -> Iterator[Body]:
        """A GET whose body the caller reads piece by piece. Raises ClusterFault, also meanwhile."""
        limit_s = errands.current().seconds_left(timeout_s or self._timeout_s)
        opened = partial(self._opened, path, query, limit_s)
        with self._translated():
            response = patiently(opened, at_most_s=errands.current().patience_s())
            try:
                yield Body(response, until=time.monotonic() + limit_s, timeout_s=limit_s)
            finally:
                response.close()

    def _opened(self, path: str, query: Query, timeout_s: float) -> urllib3.BaseHTTPResponse:
        with self._timed("stream"), self._asking("GET", path) as asking, self._translated():
            response = self._send("GET", path, query, {}, None, timeout_s)
            asking.note(status=response.status)
            try:
                _refuse_bad(response, "get")
            except BaseException:
                response.close()
                raise
        return response

    def _call(
        self,
        method: str,
        path: str,
        query: Query | None,
        *,
        headers: dict[str, str],
        body: bytes | None = None,
        verb: str = "get",
    ) -> Answer:
        limit_s = errands.current().seconds_left(self._timeout_s)
        until = time.monotonic() + limit_s
        with self._timed(verb), self._asking(method, path) as asking, self._translated():
            response = self._send(method, path, query or {}, headers, body, limit_s)
            asking.note(status=response.status)
            try:
                _refuse_bad(response, verb)
                data = _bounded(Body(response, until=until, timeout_s=limit_s))
            except BaseException:
                response.close()
                raise
            response.release_conn()
        return Answer(
            body=data,
            warnings=tuple(response.headers.getlist("Warning")),
            date=response.headers.get("Date") or "",
        )

    def _asking(self, method: str, path: str) -> AbstractContextManager[Span]:
        """One request as a span, without names of objects and without what is asked for."""
        if current() is NOTHING:
            return NOTHING
        template = template_of(path)
        return span(
            f"{method} {template}",
            Kind.CLIENT,
            method=method,
            template=template,
            server=self._host,
            port=self._port,
        )

    def _send(
        self,
        method: str,
        path: str,
        query: Query,
        headers: dict[str, str],
        body: bytes | None,
        timeout_s: float,
    ) -> urllib3.BaseHTTPResponse:
        ask = partial(
            self._pool.request,
            method,
            f"{self._access.server}{path}{_encoded(query)}",
            headers={**self._headers, **self._access.credentials.headers(), **headers},
            body=body,
            preload_content=False,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_S, timeout_s), read=timeout_s),
        )
        try:
            return ask()
        except ClosedPoolError:  # another thread has just closed it, see `_translated`
            return ask()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """One request: its time is counted, and none of urllib3's exceptions leaves it.

        They hold URLs and addresses. After a time-out no idle connection is kept: they may be
        half-open, too, and each would cost a call as long a wait.
        """
        try:
            with errands.current().asking():
                yield
        except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
            raise NotSent("The API server cannot be reached.") from error
        except SSLError as error:
            raise NotSent("The API server's certificate is not trusted.") from error
        except HTTPTimeout as error:
            self._pool.clear()
            raise _timed_out(self._timeout_s) from error
        except (ProtocolError, OSError) as error:
            raise _Dropped("The connection to the API server broke.") from error
        except HTTPError as error:
            raise ClusterUnreachable("The API server could not be asked.") from error


class _Dropped(ClusterUnreachable):
    """The connection ended in mid-call; a read may simply be asked again."""


def _pool(access: Access) -> urllib3.PoolManager:
    options: dict[str, Any] = {"maxsize": POOL_SIZE, "socket_options": _keepalive()}
    if access.tls is not None:
        options["ssl_context"] = access.tls
    if access.tls_server_name:
        options["server_hostname"] = access.tls_server_name
    if access.proxy:
        return urllib3.ProxyManager(access.proxy, **options)
    return urllib3.PoolManager(num_pools=1, **options)


def _keepalive() -> list[tuple[int, int, int | bytes]]:
    """A load balancer that forgets an idle connection is noticed after about a minute."""
    options: list[tuple[int, int, int | bytes]] = [
        *HTTPConnection.default_socket_options,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # macOS lacks the first in some builds
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    return options


def _encoded(query: Query) -> str:
    """`?…` without what is None or empty; booleans as Kubernetes spells them."""
    given = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in query.items()
        if value is not None and value != ""
    }
    return f"?{urlencode(given)}" if given else ""


def _refuse_bad(response: urllib3.BaseHTTPResponse, verb: str) -> None:
    if 200 <= response.status < 300:  # noqa: PLR2004 - HTTP
        return
    fault = fault_of(response.status, response.read(ERROR_LIMIT), verb=verb)
    if response.status == TOO_MANY:
        raise Throttled(fault, _seconds(response.headers.get("Retry-After")))
    raise fault


def _timed_out(timeout_s: float) -> ClusterTimeout:
    return ClusterTimeout(f"The API server did not answer within {timeout_s:g} seconds.")


def _bounded(body: Body) -> bytes:
    data = body.read(BODY_LIMIT + 1)
    if len(data) > BODY_LIMIT:
        raise ClusterFault("The API server's answer is too large to be read.")
    return data


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdigit() else None
