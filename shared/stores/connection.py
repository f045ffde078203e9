"""Connections to Redis with bounded waits, and the one place where its errors become our faults."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import redis
import redis.asyncio
from pydantic import SecretStr
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import BadConfiguration, RedisUnavailable
from shared.stores.pools import AsyncPool, Pool

Redis: TypeAlias = redis.Redis
AsyncRedis: TypeAlias = redis.asyncio.Redis
"""The clients' types, for those who pass a client on and may not import redis themselves."""

MAX_CONNECTIONS = 64
"""For each process; a further caller waits for a free one instead of failing."""

_NO = "its certificate is not believed"
_NAME = "its certificate is for another name"
_OTHER_NAME = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH; the message to it repeats the name."""

DROPPED = (redis.ConnectionError,)
"""A kept connection that Redis closed meanwhile is tried again, once. A time-out is not: the
command may still be done."""


def connect(url: SecretStr, *, timeout_s: float, ca_file: Path | None = None) -> redis.Redis:
    """Returns a client for threads; every command answers or fails within `timeout_s` seconds.

    With rediss:// the certificate is checked against `ca_file` and this system's authorities.

    Raises:
        BadConfiguration: there is no certificate in `ca_file`.
    """
    pool = Pool.from_url(
        url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1, supported_errors=DROPPED),
        **_believing(ca_file),
    )
    return redis.Redis.from_pool(pool)


def connect_async(
    url: SecretStr, *, timeout_s: float, ca_file: Path | None = None
) -> redis.asyncio.Redis:
    """Returns a client for one event loop; every command answers or fails within `timeout_s`.

    With rediss:// the certificate is checked against `ca_file` and this system's authorities.

    Raises:
        BadConfiguration: there is no certificate in `ca_file`.
    """
    pool = AsyncPool.from_url(
        url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=15,
        retry=AsyncRetry(NoBackoff(), 1, supported_errors=DROPPED),
        **_believing(ca_file),
    )
    return redis.asyncio.Redis.from_pool(pool)


@contextmanager
def redis_faults() -> Iterator[None]:
    """Turns what redis-py raises into `RedisUnavailable`, without addresses or passwords.

    Raises:
        RedisUnavailable: Redis did not answer, refused the command or the connection.
    """
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise RedisUnavailable(f"Redis does not answer ({_cause(error)}).") from error


def is_hopeless(fault: RedisUnavailable) -> bool:
    """Says whether Redis is there but refuses our name, password or commands: waiting is no use."""
    return isinstance(
        fault.__cause__, redis.AuthenticationError | redis.exceptions.NoPermissionError
    )


def _believing(ca_file: Path | None) -> dict[str, str]:
    if ca_file is None:
        return {}
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also ssl's own
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise BadConfiguration(f"INFRA_GATE_REDIS_CA_FILE cannot be used: {why}.") from None
    return {"ssl_ca_certs": str(ca_file)}


def _cause(error: BaseException) -> str:
    """What went wrong: the kind of error or, for TLS, its reason; neither holds an address."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return _NAME if seen.verify_code == _OTHER_NAME else f"{_NO}: {seen.verify_message}"
        if isinstance(seen, ssl.SSLError):
            return f"TLS failed: {seen.reason}"
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
