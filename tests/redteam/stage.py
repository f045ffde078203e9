"""The system as in production: each part a process with its own rights, keys and Redis user.

It is `infragate up --strict` with two appliers: gateway and approval pages are processes and
origins of their own with pinned keys. The simulated cluster logs every request that reached it.
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from dev.issuer.files import write_text
from dev.stack import redis_users
from dev.stack.material import prepare
from dev.stack.parts import Part, Wish, parts
from dev.stack.places import NAMESPACE, Places, Record, write_record
from dev.stack.probes import readiness
from dev.stack.running import Signals, Stack
from shared.plans import Operation
from tests.journeys.live import RIGHTS, Live, on_free_ports
from tests.journeys.person import Person
from tests.worker.receivers import Receiver, receiving

CLUSTER = "sandbox"
ROOT = "user root reset on >root ~* &* +@all\n"
"""Redis' administrator, for whoever owns Redis."""

APPLIERS = ("applier-1", "applier-2")
WORKERS = ("reader-1", "planner-1", *APPLIERS)


@dataclass(slots=True, kw_only=True)
class Stage(Live):
    """The running system; people open `approvals`, agents `mcp`; `told` receives the notices."""

    told: Receiver
    kubernetes: httpx2.Client
    """The API server, as its administrator."""

    @property
    def approvals(self) -> str:
        """Where people are."""
        return self.record.approvals

    def environment(self, part: str) -> dict[str, str]:
        """What the process itself was started with: all that its owner finds there."""
        found: dict[str, str] = psutil.Process(self.pid(part)).environ()
        return found

    @property
    def proof_key(self) -> str:
        """The public key that proofs are encrypted to."""
        return self.environment("approvals")["INFRA_GATE_PROOF_PUBLIC_KEY"]

    def page(self, plan_id: str) -> str:
        """Where a plan is looked at."""
        return f"{self.approvals}/approvals/{plan_id}"

    def approve(self, plan_id: str) -> None:
        """The approver reads the plan and approves it."""
        with Person(self) as ada:
            page = ada.approve(self.page(plan_id))
            assert page.status_code == httpx2.codes.OK, page.text

    def served(self) -> bool:
        """Says whether gateway and pages know all the workers."""
        wanted = {"read": 1, "plan": 1, "apply": len(APPLIERS)}
        origins = (self.record.origin, self.approvals)
        return all(
            serving(origin, role) >= count for origin in origins for role, count in wanted.items()
        )

    def kubernetes_requests(self) -> list[dict[str, Any]]:
        """What the cluster was asked so far, by anybody."""
        answer = self.kubernetes.get("/_sandbox/requests").raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    def log(self, part: str) -> list[dict[str, Any]]:
        """The log lines of a worker; each is one whole JSON object, or this fails."""
        text = (self.places.logs / f"{part}.log").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def logged(self, event: str, *names: str) -> int:
        """How many lines about an event the named parts (all workers) have logged."""
        return sum(line["event"] == event for name in names or WORKERS for line in self.log(name))

    def notices(self) -> list[dict[str, Any]]:
        """What people were told so far, oldest first."""
        with self.told.came:
            return [json.loads(one.body)["infragate"] for one in self.told.received]

    def asked(self) -> list[dict[str, Any]]:
        """What the cluster was asked by the workers, oldest first."""
        requests = self.kubernetes_requests()
        return [one for one in requests if "infragate" in one["identity"]]

    def records(self, plan_id: str) -> list[dict[str, Any]]:
        """What the audit logs say of one plan, oldest first."""
        found = [record for record in self.audit() if record.get("plan") == plan_id]
        return sorted(found, key=lambda record: str(record["time"]))


@contextmanager
def started(state: Path) -> Iterator[Stage]:
    """The system on free ports with its state in a folder; every process is gone afterwards."""
    record = on_free_ports(strict=True)
    places = Places(state=state)
    with receiving() as told:
        stack = Stack(places, _prepared(places, record, told.url), Signals())
        try:
            stack.start(lambda _part, _seconds: None, lambda: None)
            with _kubernetes(places, record) as kubernetes:
                yield Stage(
                    places=places, record=record, stack=stack, told=told, kubernetes=kubernetes
                )
        finally:
            stack.stop()


def _prepared(places: Places, record: Record, notices: str) -> tuple[Part, ...]:
    """The files of a strict stack and its parts; the environment of the tests stays as it was."""
    rights = places.state / "rights.acl"
    rights.write_text(RIGHTS.read_text("ascii") + ROOT, "ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_users, "RIGHTS", rights)
        patch.setenv("INFRA_GATE_LOG_FORMAT", "json")
        patch.setenv("INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS", "5")
        patch.setenv("INFRA_GATE_NOTICE_URL", notices)
        prepare(places, issuer=record.issuer, namespaces=(NAMESPACE,), strict=True)
        write_text(places.policy, policy(record.issuer))
        write_record(places, record)
        return _parts(places, record)


def _kubernetes(places: Places, record: Record) -> httpx2.Client:
    token = json.loads((places.sandbox / "tokens.json").read_text())["admin"]
    return httpx2.Client(
        base_url=f"https://127.0.0.1:{record.sandbox_port}",
        headers={"Authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=str(places.sandbox / "ca.crt")),
        trust_env=False,
    )


def policy(issuer: str) -> str:
    """Four eyes; one approver here, another one for restarts here and for another namespace."""

    def rule(namespace: str, subject: str, *operations: Operation) -> dict[str, object]:
        return {
            "namespaces": [namespace],
            "operations": list(operations),
            "subjects": [{"iss": issuer, "sub": subject}],
            "requester_may_approve": False,
        }

    usual = [one for one in Operation if one is not Operation.RESTART]
    rules = (
        rule(NAMESPACE, "dev-approver", *usual),
        rule(NAMESPACE, "dev-approver-2", Operation.RESTART),
        rule("elsewhere", "dev-approver-2", *Operation),
    )
    return json.dumps({"approvers": rules})


def _parts(places: Places, record: Record) -> tuple[Part, ...]:
    """Those of `infragate up --strict`, with two appliers, on one host."""
    wish = Wish(kubeconfig=None, namespaces=(NAMESPACE,), workers=len(APPLIERS))
    known = [part for part in parts(places, record, wish) if part.name in WORKERS]
    others = [part for part in parts(places, record, wish) if not part.worker]
    assert {part.name for part in known} == set(WORKERS)
    return (*others, *known)


def serving(origin: str, role: str) -> int:
    """How many live workers of a role a process of ours knows."""
    clusters = readiness(f"{origin}/readyz").get("clusters", {})
    return int(clusters.get(CLUSTER, {}).get("roles", {}).get(role, 0))
