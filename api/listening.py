"""Listening to a channel of Redis for as long as a replica lives."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from shared.errors import RedisUnavailable
from shared.logs import Log

PAUSE_S: Final = 0.5

_log = Log("api.listening")

T = TypeVar("T")


async def listen(
    messages: Callable[[], AsyncGenerator[T | None]],
    pass_on: Callable[[T | None], None],
    *,
    channel: str,
) -> None:
    """Passes on what is heard until it is cancelled; None whenever something may have been missed.

    That it is deaf, and that it hears again, is logged once each.
    """
    deaf = False
    while True:
        try:
            async with aclosing(messages()) as heard:
                async for message in heard:
                    if deaf:
                        deaf = False
                        _log.warning("channel.hearing", channel=channel)
                    pass_on(message)
        except RedisUnavailable as fault:
            if not deaf:
                deaf = True
                _log.error("channel.deaf", channel=channel, cause=str(fault))
            await asyncio.sleep(PAUSE_S)
