"""A whole stack of real processes with a fault proxy between every two parts of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import httpx2
import pytest

from dev.redis_server import free_port
from dev.stack.parts import GATEWAY, ISSUER, REDIS, SANDBOX, WORKER, Part, parts
from dev.stack.places import Places, Record
from dev.stack.processes import Running
from tests.faults.proxy import FaultProxy
from tests.journeys import live as lives
from tests.journeys.live import Live, started

Leg = Literal["client", "gateway-redis", "worker-redis", "worker-cluster", "issuer"]
LEGS: tuple[Leg, ...] = get_args(Leg)
"""Client to gateway, gateway to Redis, worker to Redis, worker to API server; everybody (agents'
keys at the gateway, people's browsers, the pages, the worker) to the identity provider."""

READY_S = 60.0


@dataclass(slots=True, kw_only=True)
class Stage:
    """A running stack; `legs` are the proxies between its parts."""

    live: Live
    legs: Mapping[Leg, FaultProxy]
    parts: dict[str, Part] = field(default_factory=dict)

    def kill(self, name: str) -> None:
        """Ends a part with SIGKILL."""
        self.live.stack._running[name].kill()

    def stop(self, name: str) -> None:
        """Ends a part as an orchestrator does, and waits for it."""
        running = self.live.stack._running[name]
        running.ask_to_stop()
        deadline = time.monotonic() + READY_S
        while running.exit_code() is None:
            assert time.monotonic() < deadline, f"{name} does not stop"
            time.sleep(0.02)

    def start(self, name: str, **more: str) -> None:
        """Starts a part again, as its supervisor would; with `more` in its environment."""
        part, stack = self.parts[name], self.live.stack
        log = stack._running[name].log
        environment = {**part.environment, **more}
        running = stack._running[name] = Running(part.command, environment, log)
        if stack._guardian is not None:
            stack._guardian.watch(running.pid)

    def until_ready(self, name: str) -> None:
        deadline = time.monotonic() + READY_S
        while not self.parts[name].ready():
            self.live.stack.require_alive()
            assert time.monotonic() < deadline, f"{name} is not ready"
            time.sleep(0.05)

    def mend(self) -> None:
        """Every leg is well again."""
        for leg in self.legs.values():
            leg.mend()

    def script(self, *faults: dict[str, Any]) -> None:
        """Has the next requests to the simulated API server go wrong."""
        self._control("POST", "faults", json=list(faults)).raise_for_status()

    def unscript(self) -> None:
        self._control("DELETE", "faults").raise_for_status()

    def scripted(self) -> list[dict[str, Any]]:
        """The faults that have not been used up."""
        rows: list[dict[str, Any]] = self._control("GET", "faults").raise_for_status().json()
        return rows

    def until_hit(self) -> None:
        """Returns when every scripted fault has been met by a request."""
        deadline = time.monotonic() + READY_S
        while self.scripted():
            assert time.monotonic() < deadline, f"not met: {self.scripted()}"
            time.sleep(0.02)

    def writes(self, resource: str) -> list[dict[str, Any]]:
        """What the API server was asked to create for real, since it was started."""
        return [
            asked
            for asked in self.live.kubernetes_requests()
            if (asked["verb"], asked["resource"], asked["dryRun"]) == ("create", resource, False)
            and asked["status"] not in {409, 429}  # it is there already; not now
        ]

    def write_log(self, **wish: object) -> None:
        """Has a container of the simulated cluster write so many lines of that length."""
        self._control("POST", "log", json=wish).raise_for_status()

    def _control(self, method: str, what: str, **more: Any) -> httpx2.Response:
        url = f"https://127.0.0.1:{self.live.record.sandbox_port}/_sandbox/{what}"
        return httpx2.request(method, url, **self.live.sandbox_access(), **more)


@contextmanager
def staged(state: Path, **settings: str) -> Iterator[Stage]:
    """A stack whose parts reach each other through proxies; `settings` go to every part."""
    with ExitStack() as stack:
        record = lives.on_free_ports(strict=False)
        behind = {"client": free_port(), "issuer": free_port()}
        legs: dict[Leg, FaultProxy] = {
            "client": FaultProxy(behind["client"], record.gateway_port),
            "gateway-redis": FaultProxy(record.redis_port),
            "worker-redis": FaultProxy(record.redis_port),
            "worker-cluster": FaultProxy(record.sandbox_port),
            "issuer": FaultProxy(behind["issuer"], record.issuer_port),
        }
        for leg in legs.values():
            stack.enter_context(leg)
        known: dict[str, Part] = {}

        def proxied(places: Places, its: Record, wish: Any) -> tuple[Part, ...]:
            for part in parts(places, its, wish):
                known[part.name] = _proxied(part, legs, settings)
            return tuple(known.values())

        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(lives, "on_free_ports", lambda *, strict: record)  # noqa: ARG005 - its name
        patch.setattr("dev.stack.parts.parts", proxied)
        live = stack.enter_context(started(state))
        yield Stage(live=live, legs=legs, parts=known)


def _proxied(part: Part, legs: Mapping[Leg, FaultProxy], settings: Mapping[str, str]) -> Part:
    """The same part, with the addresses of proxies instead of those of other parts."""
    environment = {**part.environment, **settings}
    command = part.command
    if part.name == GATEWAY:
        environment["INFRA_GATE_PORT"] = str(legs["client"].target)
    if part.name in {GATEWAY, WORKER}:
        leg = legs["gateway-redis" if part.name == GATEWAY else "worker-redis"]
        url = environment["INFRA_GATE_REDIS_URL"]
        environment["INFRA_GATE_REDIS_URL"] = url.replace(f":{leg.target}/", f":{leg.port}/")
    if part.name == SANDBOX:
        command += ("--url", f"https://127.0.0.1:{legs['worker-cluster'].port}")
    if part.name == ISSUER:
        leg = legs["issuer"]
        own = ("--port", str(leg.port))
        at = command.index(own[0])
        assert command[at : at + 2] == own
        named = ("--issuer", f"http://127.0.0.1:{leg.port}")
        allowed = ("--allowed-host", f"127.0.0.1:{leg.port}")
        command = (*command[:at], "--port", str(leg.target), *command[at + 2 :], *named, *allowed)
    return replace(part, command=command, environment=environment)


__all__ = ["GATEWAY", "ISSUER", "LEGS", "REDIS", "SANDBOX", "WORKER", "Leg", "Stage", "staged"]
