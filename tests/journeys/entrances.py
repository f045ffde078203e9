"""Stacks with two gateway replicas behind one address: a round robin of ours, or nginx.

The address is the one that clients and tokens know; the replicas lie behind it. nginx runs with the
configuration of docs/operations.md, so that the page stays true.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from dev.redis_server import free_port
from dev.stack.parts import GATEWAY, REDIS, Part, Wish, parts
from dev.stack.places import Places, Record
from dev.stack.probes import answers
from tests.journeys.live import Live, started

ROOT: Final = Path(__file__).parents[2]
REPLICAS: Final = 2

_AROUND: Final = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{documented}
}}
"""

Front = Callable[[Path, int, Sequence[str]], tuple[str, ...]]
"""Returns the command of what listens on a port and passes on to others; a folder is its own."""


@contextmanager
def behind(front: Front, state: Path) -> Iterator[Live]:
    """A stack whose gateway is several processes behind `front`."""

    def arranged(places: Places, record: Record, wish: Wish) -> tuple[Part, ...]:
        made: list[Part] = []
        for part in parts(places, record, wish):
            made += _fronted(part, record, front, state) if part.name == GATEWAY else [part]
        return tuple(made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dev.stack.parts.parts", arranged)
        with started(state) as live:
            yield live


def _fronted(gateway: Part, record: Record, front: Front, state: Path) -> list[Part]:
    ports = [free_port() for _ in range(REPLICAS)]
    replicas = [
        replace(
            gateway,
            name=f"{GATEWAY}-{port}",
            environment={
                **gateway.environment,
                "INFRA_GATE_PORT": str(port),
                "INFRA_GATE_OAUTH_RESOURCE": record.mcp,
                "INFRA_GATE_APPROVAL_BASE_URL": record.origin,
            },
            ready=answers(f"http://127.0.0.1:{port}/healthz"),
        )
        for port in ports
    ]
    folder = state / "front"
    folder.mkdir()
    targets = [f"http://127.0.0.1:{port}" for port in ports]
    return [
        *replicas,
        replace(
            gateway,
            command=front(folder, record.gateway_port, targets),
            environment=dict(os.environ),
            ready=answers(f"{record.origin}/healthz"),
            needs=(REDIS, *(one.name for one in replicas)),
        ),
    ]


def round_robin(_: Path, port: int, targets: Sequence[str]) -> tuple[str, ...]:
    """Ours: every request goes to the next one, whatever came before."""
    return (sys.executable, "-m", "tests.journeys.round_robin", str(port), *targets)


def nginx(folder: Path, port: int, targets: Sequence[str]) -> tuple[str, ...]:
    """nginx with the operations page's configuration, as far as addresses and TLS allow."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not on this machine")
    config = folder / "nginx.conf"
    config.write_text(_AROUND.format(folder=folder, documented=_documented(port, targets)), "utf-8")
    return (program, "-c", str(config), "-p", str(folder), "-e", "stderr")


def _documented(port: int, targets: Sequence[str]) -> str:
    """The configuration as it is printed, for these addresses and without a certificate."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    servers = "\n".join(f"server {target.removeprefix('http://')};" for target in targets)
    block, count = re.subn(r"(?m)(^ *server \d.*;\n)+", servers + "\n", block)
    assert count == 1
    assert "listen 443 ssl;" in block
    return block.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
