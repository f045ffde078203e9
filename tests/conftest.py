"""For all tests: a real Redis server for each test process, and no hurry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from dev.redis_server import NoRedisServer, RedisServer, find_server, free_port

# A machine may be slow; what must be fast is measured in bench/.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server without persistence, shared by the tests of this process."""
    try:
        find_server()
    except NoRedisServer as error:
        pytest.skip(str(error))
    folder: Path = tmp_path_factory.mktemp("redis")
    with RedisServer(free_port(), folder, aof=False) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of that server, emptied."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url
