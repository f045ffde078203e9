"""One warm connection pool to one API server, and the rules of every call. Knows no kinds.

Each call has a time limit; answers are bounded; redirects are never followed, since they would
carry the token elsewhere. Reads are tried again once when a kept-alive connection turns out to be
dead, or after a short Retry-After. Writes are never repeated: the server may have done them.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HTTPTimeout

from shared.errors import ClusterFault, ClusterThrottled, ClusterTimeout, ClusterUnreachable
from worker.cluster.access import LOOPBACK, Access
from worker.cluster.errors import NotSent, fault_of

POOL_SIZE: Final = 32
"""Kept-alive connections: 16 task threads, some of which ask for several lists at once."""

BODY_LIMIT: Final = 64 * 1024 * 1024
ERROR_LIMIT: Final = 64 * 1024
PATIENCE_S: Final = 2.0
"""The longest Retry-After that is waited for; beyond it the caller hears about the 429."""

CONNECT_S: Final = 3.0
TOO_MANY: Final = 429

Query = Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer (2xx): the body, its Warning headers as they came (RFC 7234 5.5), its Date."""

    body: bytes
    warnings: tuple[str, ...] = ()
    date: str = ""


class Connection:
    """The pool. Thread-safe; opens nothing before the first call."""

    def __init__(self, access: Access, *, timeout_s: float, user_agent: str) -> None:
        self._access = access
        self._timeout_s = timeout_s
        local = urlsplit(access.server).hostname in LOOPBACK
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if not local:  # on loopback compressing costs more than it saves
            self._headers["Accept-Encoding"] = "gzip"
        self._pool = _pool(access)

    def read(self, path: str, query: Query | None = None, *, accept: str = "") -> Answer:
        """GET, repeated once where that is harmless and may help. Raises ClusterFault."""
        headers = {"Accept": accept} if accept else {}
        try:
            return self._call("GET", path, query, headers=headers)
        except ClusterThrottled as fault:
            if (wait := _patience(fault)) is None:
                raise
            time.sleep(wait)
        except _Dropped:
            pass
        return self._call("GET", path, query, headers=headers)

    def write(
        self, method: str, path: str, body: bytes, *, query: Query, content_type: str, verb: str
    ) -> Answer:
        """One attempt, never more. Raises ClusterFault; after a timeout the outcome is unknown."""
        headers = {"Content-Type": content_type}
        return self._call(method, path, query, headers=headers, body=body, verb=verb)

    @contextmanager
    def stream(
        self, path: str, query: Query, *, timeout_s: float | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A GET whose body the caller reads piece by piece. Raises ClusterFault, also meanwhile."""
        with self._translated():
            response = self._send("GET", path, query, {}, None, timeout_s or self._timeout_s)
            try:
                _refuse_bad(response, "get")
                yield response
            finally:
                response.close()

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
        with self._translated():
            response = self._send(method, path, query or {}, headers, body, self._timeout_s)
            try:
                _refuse_bad(response, verb)
                data = _bounded(response)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        return Answer(
            body=data,
            warnings=tuple(response.headers.getlist("Warning")),
            date=response.headers.get("Date") or "",
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
        return self._pool.request(
            method,
            f"{self._access.server}{path}{_encoded(query)}",
            headers={**self._headers, **self._access.credentials.headers(), **headers},
            body=body,
            preload_content=False,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_S, timeout_s), read=timeout_s),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """urllib3's exceptions, none of which is shown, since they hold URLs and addresses."""
        try:
            yield
        except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
            raise NotSent("The API server cannot be reached.") from error
        except SSLError as error:
            raise NotSent("The API server's certificate is not trusted.") from error
        except HTTPTimeout as error:
            raise ClusterTimeout(
                f"The API server did not answer within {self._timeout_s:g} seconds."
            ) from error
        except (ProtocolError, OSError) as error:
            raise _Dropped("The connection to the API server broke.") from error
        except HTTPError as error:
            raise ClusterUnreachable("The API server could not be asked.") from error


class _Dropped(ClusterUnreachable):
    """The connection ended in mid-call; a read may simply be asked again."""


class Throttled(ClusterThrottled):
    """429, with the seconds that the server asked for."""

    def __init__(self, fault: ClusterFault, wait_s: float | None) -> None:
        super().__init__(fault.message, status=TOO_MANY)
        self.wait_s = wait_s


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


def _bounded(response: urllib3.BaseHTTPResponse) -> bytes:
    data = response.read(BODY_LIMIT + 1)
    if len(data) > BODY_LIMIT:
        raise ClusterFault("The API server's answer is too large to be read.")
    return data


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdigit() else None


def _patience(fault: ClusterThrottled) -> float | None:
    """Seconds to wait before the one repetition; None when it should not be tried."""
    wait = fault.wait_s if isinstance(fault, Throttled) else None
    return wait if wait is not None and wait <= PATIENCE_S else None
