"""Sessions of the handshake era, opened as a client opens them."""

from dataclasses import dataclass

import httpx2

from bench.requests import Door
from bench.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session of one person."""

    door: Door
    id: str


def opened(stage: Stage, number: int) -> tuple[Session, ...]:
    """Returns so many sessions, each of a person of its own."""
    with httpx2.Client(base_url=stage.record.origin, trust_env=False, timeout=30) as http:
        doors = [stage.door(f"bench-{n}") for n in range(number)]
        return tuple(Session(door=door, id=handshake(http, door)[0]) for door in doors)


def handshake(http: httpx2.Client, door: Door) -> tuple[str, str]:
    """Opens a session; returns its id, empty where there are none, and what the server said.

    Raises:
        httpx2.HTTPError: the server does not answer, or refuses.
    """
    answer = _sent(http, door.initialize())
    session = answer.headers.get("mcp-session-id", "")
    _sent(http, door.initialized(session))
    return session, answer.text


def _sent(http: httpx2.Client, request: bytes) -> httpx2.Response:
    """The answer to a prepared request, by a client that makes its own first line."""
    head, _, body = request.partition(b"\r\n\r\n")
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    headers = {name: value for name, value in pairs if name not in ("host", "content-length")}
    return http.post("/mcp", headers=headers, content=body).raise_for_status()
