"""Connections to Redis with bounded waits, and the one place where its errors become our faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import redis
import redis.asyncio
from pydantic import SecretStr
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import RedisUnavailable

Redis: TypeAlias = redis.Redis
AsyncRedis: TypeAlias = redis.asyncio.Redis
"""The clients' types, for those who pass a client on and may not import redis themselves."""

MAX_CONNECTIONS = 64
"""For each process; a further caller waits for a free one instead of failing."""

DROPPED = (redis.ConnectionError,)
"""A kept connection that Redis closed meanwhile is tried again, once. A time-out is not: the
command may still be done."""


def connect(url: SecretStr, *, timeout_s: float) -> redis.Redis:
    """Returns a client for threads; every command answers or fails within `timeout_s` seconds."""
    pool = redis.BlockingConnectionPool.from_url(
        url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1, supported_errors=DROPPED),
    )
    return redis.Redis.from_pool(pool)


def connect_async(url: SecretStr, *, timeout_s: float) -> redis.asyncio.Redis:
    """Returns a client for one event loop; every command answers or fails within `timeout_s`."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=15,
        retry=AsyncRetry(NoBackoff(), 1, supported_errors=DROPPED),
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
        raise RedisUnavailable(f"Redis does not answer ({type(error).__name__}).") from error


def is_hopeless(fault: RedisUnavailable) -> bool:
    """Says whether Redis is there but refuses our name, password or commands: waiting is no use."""
    return isinstance(
        fault.__cause__, redis.AuthenticationError | redis.exceptions.NoPermissionError
    )
