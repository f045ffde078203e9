"""What was accepted before something goes wrong, and whether it is still there afterwards."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.faults.stage import Stage
from tests.faults.traffic import GOOD, PATIENCE_S, PAUSE_S, Told, asked, client
from tests.journeys.person import Person
from tests.journeys.test_mcp import INITIALIZE, _call

AWAY = {"redis_unavailable", "worker_timeout", "no_worker", "cluster_unreachable"}
AWAY |= {"cluster_timeout"}
"""Codes that say that something is away for now. Whoever was told so asks again: each part finds
out by itself that what it leaned on went silent, and reads are not what plans and applies lean on.
"""

_numbers = itertools.count(1)


def manifest(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A plan that waits, one that was approved, and an MCP session."""

    stage: Stage
    waiting: str
    approved: str
    writes: int
    session: dict[str, str]

    @classmethod
    def made(cls, stage: Stage) -> "Kept":
        number = next(_numbers)
        with client(stage.live) as http:
            opened = http.post("/mcp", json=INITIALIZE)
            waiting, _ = a_plan(stage, http, f"waits-{number}", ask=answered)
            approved, url = a_plan(stage, http, f"kept-{number}", ask=answered)
        approve(stage, url)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        writes = len(stage.writes("configmaps"))
        return cls(stage=stage, waiting=waiting, approved=approved, writes=writes, session=session)

    def require_all(self) -> str:
        """Requires all of it: the approved plan can be applied, and is written once."""
        assert status(self.stage, self.waiting) == "approval_required"
        assert until_decided(self.stage, self.approved) == "applied"
        assert self.has_session()
        assert until_decided(self.stage, self.approved) == "applied"
        assert len(self.stage.writes("configmaps")) == self.writes + 1
        return "nothing: plans and session are there, the approved plan was written once"

    def has_session(self) -> bool:
        with client(self.stage.live) as http:
            call = _call("get_allowed_namespaces")
            answer = http.post("/mcp", json=call, headers=self.session)
            return answer.status_code == httpx2.codes.OK


def a_plan(
    stage: Stage, http: httpx2.Client, name: str, *, ask: Callable[..., Told] = asked
) -> tuple[str, str]:
    """A fresh plan's id and page; `ask` is how it is asked for, usually once."""
    text = manifest(name)
    told = ask(http, "request_apply_manifest", namespace=stage.live.namespace, manifest=text)
    assert told.code == GOOD, told
    return str(told.facts["planId"]), str(told.facts["approvalUrl"])


def answered(http: httpx2.Client, tool: str, **arguments: object) -> Told:
    """What one is told who asks again while something is away."""
    deadline = time.monotonic() + PATIENCE_S
    while (told := asked(http, tool, **arguments)).code in AWAY:
        assert time.monotonic() < deadline, told
        time.sleep(PAUSE_S)
    return told


def approve(stage: Stage, url: str) -> None:
    with Person(stage.live) as person:
        assert person.approve(url).status_code == httpx2.codes.OK


def status(stage: Stage, plan: str) -> str:
    """What an apply call says of a plan: its state, or the code of what went wrong."""
    with client(stage.live) as http:
        told = answered(http, "apply_approved_plan", planId=plan)
    return str(told.facts["status"]) if told.code == GOOD else told.code


def until_decided(stage: Stage, plan: str, patience_s: float = PATIENCE_S) -> str:
    """Asks to apply a plan until it is under way no more."""
    deadline = time.monotonic() + patience_s
    while True:
        said = status(stage, plan)
        if said not in {"applying", "approved"}:
            return said
        assert time.monotonic() < deadline, f"still {said}"
        time.sleep(0.5)


def facts_of(stage: Stage, tool: str, **arguments: object) -> dict[str, Any]:
    with client(stage.live) as http:
        told = asked(http, tool, namespace=stage.live.namespace, **arguments)
    assert told.code == GOOD, told
    return told.facts
