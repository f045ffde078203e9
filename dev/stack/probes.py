"""Questions that tell whether a part serves yet. Each answers within a second, and never raises."""

import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Probe = Callable[[], bool]

_PATIENCE_S: Final = 1.0
_DIRECT: Final = urllib.request.ProxyHandler({})
"""Everything is on this machine; a proxy in the environment is not."""


def answers(url: str, *, ca: Path | None = None) -> Probe:
    """Returns the probe that `url` answers 200; `ca` is the only authority then believed."""

    def probe() -> bool:
        return _get(url, ca)[0] == 200  # noqa: PLR2004

    return probe


def workers_ready(readyz: str, count: int) -> Probe:
    """Returns the probe that the gateway knows `count` live workers for every role."""

    def probe() -> bool:
        _, body = _get(readyz)
        clusters = body.get("clusters", {}).values()
        roles = [n for cluster in clusters for n in cluster["roles"].values()]
        return body.get("status") == "ready" and min(roles, default=0) >= count

    return probe


def role_ready(readyz: str, role: str, count: int) -> Probe:
    """Returns the probe that the gateway knows `count` live workers for this role."""

    def probe() -> bool:
        _, body = _get(readyz)
        clusters = body.get("clusters", {}).values()
        return any(cluster["roles"].get(role, 0) >= count for cluster in clusters)

    return probe


def redis_answers(port: int) -> Probe:
    """Returns the probe that a Redis server answers PING, to the user that may do just that."""

    def probe() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
                connection.sendall(b"AUTH health -\r\nPING\r\n")
                with connection.makefile("rb") as lines:
                    return lines.readline() == b"+OK\r\n" and lines.readline() == b"+PONG\r\n"
        except OSError:
            return False

    return probe


def readiness(readyz: str) -> dict[str, Any]:
    """Returns what `/readyz` says; empty when nobody answers."""
    return _get(readyz)[1]


def _get(url: str, ca: Path | None = None) -> tuple[int, dict[str, Any]]:
    try:
        https = [urllib.request.HTTPSHandler(context=_trusting(ca))] if ca else []
        with urllib.request.build_opener(_DIRECT, *https).open(url, timeout=_PATIENCE_S) as answer:
            return answer.status, _object(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _object(error.read())
    except (OSError, ValueError):
        return 0, {}


def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
