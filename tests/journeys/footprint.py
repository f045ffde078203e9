"""What a gateway's process holds: a stack to send much to, and its memory once all clients left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from dev.stack.parts import GATEWAY
from tests.journeys.live import Live, started

PATIENCE_S = 60
MUCH = 1.10
"""What a first round needs once (buffers, pools) the interpreter keeps; more is a leak."""


@contextmanager
def open_to_floods(state: Path) -> Iterator[Live]:
    """A stack whose gateway lets one person come as often as a thousand would."""
    with pytest.MonkeyPatch.context() as patch:
        for setting in ("PER_SECOND", "BURST"):
            patch.setenv(f"INFRA_GATE_REQUESTS_{setting}", "100000")
        with started(state) as it:
            yield it


def gateway_of(live: Live) -> psutil.Process:
    return psutil.Process(live.pid(GATEWAY))


def forgotten(gateway: psutil.Process) -> int:
    """The resident bytes of the gateway once all of its clients have gone."""
    deadline = time.monotonic() + PATIENCE_S
    port = int(gateway.environ()["INFRA_GATE_PORT"])
    while sum(one.laddr.port == port for one in gateway.net_connections()) > 1:
        assert time.monotonic() < deadline, "the gateway keeps connections of clients that left"
        time.sleep(0.1)
    return int(gateway.memory_info().rss)
