"""Where the keys of an identity provider come from: discovery, fetching, remembering.

What a fetched document means is decided by `shared.jwks`, which tokens it makes believable by
`shared.jose`. Both the gateway (agents' tokens) and the applier (approvers' proofs) ask here.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import urllib3

from shared.errors import BadConfiguration, Fault, Refusal
from shared.jwks import (
    MAX_DOCUMENT_BYTES,
    KeySet,
    parse_key_set,
)
from shared.strict import (
    strict_json,
)

_log = logging.getLogger(__name__)

FETCH_TIMEOUT_S: Final = 5.0
MAX_AGE_S: Final = 600.0
"""After this, keys are fetched again, so a withdrawn key is believed for ten minutes at most."""
MAX_STALE_S: Final = 24 * 3600.0
"""While the provider does not answer, its last good keys are believed for a day."""
MIN_INTERVAL_S: Final = 30.0
"""Between two fetches, whatever tokens arrive: a flood of unknown kids costs two fetches a minute,
and a key that was just rolled over is known half a minute later at the latest."""
FIRST_INTERVAL_S: Final = 2.0
"""The same while there are no keys at all: the provider may just be starting."""


class KeysUnavailable(Fault):
    """The identity provider's keys cannot be had, so nobody's token can be judged now."""

    code = "identity_provider_unavailable"
    retry_after = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Good:
    keys: KeySet
    fetched_at: float


class RemoteKeys:
    """The current keys of one issuer, fetched when needed and never more often than allowed.

    Thread-safe. `keys_for` may block for a fetch (two requests of at most 5 s each); `at_hand`
    never does.
    """

    def __init__(
        self,
        *,
        issuer: str,
        metadata_url: str | None = None,
        jwks_url: str | None = None,
        require_https: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Configure, without any I/O yet.

        `issuer` compares exactly with the metadata document's. The document is at `metadata_url`,
        else at the two well-known places of the issuer; `jwks_url` needs no document. `clock`
        counts seconds from any origin.

        Raises:
            BadConfiguration: an address is not an absolute URL of an accepted scheme.
        """
        for url in (issuer, metadata_url, jwks_url):
            if url is not None and not _is_acceptable(url, require_https=require_https):
                raise BadConfiguration(f"{url!r} is not an address that keys may be fetched from.")
        self._fetch_keys = _Provider(
            issuer=issuer,
            metadata_urls=(metadata_url,) if metadata_url else well_known_urls(issuer),
            jwks_url=jwks_url,
            require_https=require_https,
        ).fetch_keys
        self._clock = clock
        self._good: _Good | None = None
        self._tried_at: float | None = None
        self._fetching = threading.Lock()

    def at_hand(self, kid: str) -> KeySet | None:
        """The keys to judge a token of that `kid` with, or None when a fetch is due first.

        Raises:
            KeysUnavailable: there are none, and it is too early to ask again.
        """
        return None if self._is_due(kid) else self._last_good()

    def keys_for(self, kid: str) -> KeySet:
        """The keys to judge a token of that `kid` with, fetched if they are old or lack it.

        The set may still lack the `kid`: then the issuer does not publish it. One thread fetches;
        others wait for it, except those whose key is known and merely old.

        Raises:
            KeysUnavailable: the provider gave no usable keys, and none fresh enough are remembered.
        """
        if self._is_due(kid) and self._fetching.acquire(blocking=not self._knows(kid)):
            try:
                if self._is_due(kid):  # nobody else did it while we waited
                    self._refresh()
            finally:
                self._fetching.release()
        return self._last_good()

    def _is_due(self, kid: str) -> bool:
        good, tried_at, now = self._good, self._tried_at, self._clock()
        if good is not None and kid in good.keys and now - good.fetched_at < MAX_AGE_S:
            return False
        interval = FIRST_INTERVAL_S if good is None else MIN_INTERVAL_S
        return tried_at is None or now - tried_at >= interval

    def _knows(self, kid: str) -> bool:
        good = self._good
        return good is not None and kid in good.keys and self._is_believed(good)

    def _is_believed(self, good: _Good) -> bool:
        return self._clock() - good.fetched_at <= MAX_STALE_S

    def _last_good(self) -> KeySet:
        good = self._good
        if good is None or not self._is_believed(good):
            raise KeysUnavailable("The identity provider's signing keys cannot be fetched.")
        return good.keys

    def _refresh(self) -> None:
        try:
            keys = self._fetch_keys()
        except _NotFetched as reason:
            _log.warning("the identity provider's keys were not fetched: %s", reason)
        else:
            self._good = _Good(keys=keys, fetched_at=self._clock())
        finally:
            self._tried_at = self._clock()


def well_known_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata is: OpenID Connect Discovery §4 appends, RFC 8414 §3 inserts."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


class _NotFetched(Exception):  # noqa: N818 - private, and always caught in this file
    """Why a document was not had; our words, never the other side's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    """An identity provider's side of it, over HTTP."""

    issuer: str
    metadata_urls: tuple[str, ...]
    jwks_url: str | None
    require_https: bool

    def fetch_keys(self) -> KeySet:
        """The provider's keys as they are now."""
        with urllib3.PoolManager(retries=False) as http:
            url = self.jwks_url or self._discover(http)
            keys = parse_key_set(_get(http, url))
        if isinstance(keys, Refusal):
            raise _NotFetched(keys.code)
        return keys

    def _discover(self, http: urllib3.PoolManager) -> str:
        """Read `jwks_uri` from the first metadata document there is (RFC 8414 §3.3)."""
        metadata = strict_json(self._first_document(http))
        if not isinstance(metadata, dict) or metadata.get("issuer") != self.issuer:
            raise _NotFetched("the metadata document is of another issuer")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or not _is_acceptable(url, require_https=self.require_https):
            raise _NotFetched("the metadata document has no acceptable jwks_uri")
        return url

    def _first_document(self, http: urllib3.PoolManager) -> bytes:
        for url in self.metadata_urls:
            try:
                return _get(http, url)
            except _NoSuchDocument:
                continue
        raise _NotFetched("there is no metadata document")


class _NoSuchDocument(_NotFetched):
    """404: it may be at the other well-known place."""


def _get(http: urllib3.PoolManager, url: str) -> bytes:
    """Fetch a small document: no redirects, no compression, no more than 64 KiB, in 5 s."""
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    try:
        response = http.request(
            "GET",
            url,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(connect=FETCH_TIMEOUT_S, read=FETCH_TIMEOUT_S),
            redirect=False,
            preload_content=False,
        )
        try:
            return _read(response, deadline)
        finally:
            response.close()
    except urllib3.exceptions.HTTPError as error:
        raise _NotFetched(type(error).__name__) from error


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    if response.status == HTTPStatus.NOT_FOUND:
        raise _NoSuchDocument("404")
    if response.status != HTTPStatus.OK:
        raise _NotFetched(f"HTTP status {response.status}")
    body = b""
    while chunk := response.read1(MAX_DOCUMENT_BYTES + 1, decode_content=False):
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            raise _NotFetched("the document is larger than 64 KiB")
        if time.monotonic() > deadline:
            raise _NotFetched("the document came too slowly")
    return body


def _is_acceptable(url: str, *, require_https: bool) -> bool:
    """An absolute http(s) URL without credentials or fragment; https where that is required."""
    try:
        parts = urlsplit(url)
        port_is_readable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    schemes = ("https",) if require_https else ("https", "http")
    return (
        port_is_readable
        and parts.scheme in schemes
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and "#" not in url
    )
