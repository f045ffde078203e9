"""The gateway runs on the fast loop and parser where they are installed, and says which it has."""

import asyncio
import logging

import pytest
import uvicorn
from pydantic import SecretStr
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import make_app
from api.serving_with import serving_with
from shared.settings import GatewaySettings


async def _nothing(_scope: object, _receive: object, _send: object) -> None:
    """Serves nothing."""


async def _asked() -> dict[str, str]:
    return serving_with()


def test_uvicorn_takes_the_fast_loop_and_the_fast_parser_and_we_name_both() -> None:
    config = uvicorn.Config(_nothing, log_config=None)
    config.load()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        told = runner.run(_asked())

    assert config.http_protocol_class is HttpToolsProtocol
    assert told == {"loop": "uvloop", "parser": "httptools"}


def test_another_loop_is_named_as_well() -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(_asked())["loop"] == "asyncio"


@pytest.mark.real_redis
def test_the_line_of_the_start_has_both(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def started() -> None:
        app = make_app(GatewaySettings(redis_url=SecretStr(redis_url)))
        config = uvicorn.Config(app, port=0, log_config=None)
        config.load()
        lifespan = config.lifespan_class(config)
        await lifespan.startup()
        await lifespan.shutdown()

    with caplog.at_level(logging.INFO):
        asyncio.run(started())

    said = {record.msg: getattr(record, "fields", {}) for record in caplog.records}
    assert said["gateway.started"]["loop"] == "asyncio"
    assert said["gateway.started"]["parser"] == "httptools"
