"""Attackers with what they hold: somebody's Redis user, and what a process' own environment has.

Each pushes into queues and reads replies as far as that user may; `root` may everything.
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast
from urllib.parse import urlsplit

import redis

from dev.stack import redis_users
from shared.approvals import SignedStatement
from shared.envelopes import Envelope, pack
from shared.messages import (
    ROLE_OF,
    ApplyCall,
    Call,
    ChallengeCall,
    DenyCall,
    PlanCall,
    ProofCall,
    Role,
    queue,
)
from shared.plans import Identity, Operation, Requester
from shared.seals import encrypt_proof, proof_key_from_text
from tests.cluster.conftest import eventually
from tests.redteam.stage import CLUSTER, WORKERS, Stage

PATIENCE_S = 20
LIFE_S = 60

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{value: "{value}"}}
"""


class Attacker:
    """Somebody at Redis, with a reply list of their own. A context manager."""

    def __init__(self, stage: Stage, url: str) -> None:
        self.stage = stage
        self.redis = redis.Redis.from_url(url)
        kind = "approvals" if urlsplit(url).username == "approvals" else "gateway"
        self.replies = f"r:{kind}-{secrets.token_hex(8)}"
        self._replied: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.redis.close()

    def run(self, *words: str) -> Any:
        """Any command of Redis."""
        return self.redis.execute_command(*words)  # type: ignore[no-untyped-call]

    def packed(self, call: Call | dict[str, Any], call_id: str = "") -> bytes:
        """A message as the gateway would queue it."""
        document = call if isinstance(call, dict) else call.model_dump(mode="json")
        envelope = Envelope(
            id=call_id or secrets.token_urlsafe(12),
            request=secrets.token_hex(16),
            reply_to=self.replies,
            sent_at=time.time(),
            deadline=time.time() + LIFE_S,
            call=document,
        )
        return pack(envelope, queue=queue(CLUSTER, Role.APPLY))

    def push(self, raw: bytes, role: Role = Role.APPLY) -> None:
        """Puts bytes into a role's queue."""
        self.redis.lpush(f"q:{queue(CLUSTER, role)}", raw)

    def send(self, call: Call | dict[str, Any], role: Role | None = None) -> str:
        """Queues a call; returns its id."""
        verb = call["verb"] if isinstance(call, dict) else call.verb
        call_id = secrets.token_urlsafe(12)
        self.push(self.packed(call, call_id), role or ROLE_OF[verb])
        return call_id

    def ask(self, call: Call | dict[str, Any], role: Role | None = None) -> dict[str, Any]:
        """Queues a call and returns the worker's last reply to it."""
        return self.reply(self.send(call, role))

    def reply(self, call_id: str) -> dict[str, Any]:
        """Waits for the last reply to a call; those to others are kept for them."""
        until = time.monotonic() + PATIENCE_S
        while call_id not in self._replied:
            assert time.monotonic() < until, "no worker replied"
            taken = cast("Any", self.redis.blmpop(1, 1, self.replies, direction="LEFT"))
            reply = json.loads(taken[1][0]) if taken else {"kind": "progress"}
            if reply["kind"] != "progress":
                self._replied[reply["id"]] = reply
        return self._replied.pop(call_id)

    def plan(self, name: str, value: str = "1", *, subject: str = "dev-requester") -> str:
        """Asks for a ConfigMap, in somebody's name; returns the plan's id."""
        return self.planned(
            Operation.APPLY, subject, manifest=MANIFEST.format(name=name, value=value)
        )

    def planned(self, operation: Operation, subject: str, **arguments: Any) -> str:
        """Asks for a change of any kind; returns the plan's id."""
        with owner_of(self.stage, "gateway") as agents:  # as agents do
            reply = agents.ask(self.plan_call(operation, subject, **arguments))
        assert reply["kind"] == "answer", reply
        return str(reply["body"]["plan_id"])

    def plan_call(self, operation: Operation, subject: str, **arguments: Any) -> PlanCall:
        requester = Requester(
            iss=self.stage.record.issuer,
            sub=subject,
            client_id="tests",
            assurance="gateway-asserted",
        )
        given = {"namespace": self.stage.namespace, "requester": requester, **arguments}
        return PlanCall.model_validate({"operation": operation, **given})

    def apply(self, plan_id: str) -> dict[str, Any]:
        """The reply to an apply."""
        return self.ask(ApplyCall(plan_id=plan_id))

    def challenge(self, plan_id: str, subject: str = "dev-approver") -> SignedStatement:
        """A real statement of the applier, in an approver's name."""
        reply = self.ask(ChallengeCall(plan_id=plan_id, approver=self.person(subject)))
        assert reply["kind"] == "answer", reply
        return SignedStatement.model_validate(reply["body"])

    def prove(
        self, signed: SignedStatement, token: str, *, plan_id: str = "", key: str = ""
    ) -> dict[str, Any]:
        """The reply to a proof, encrypted as the pages would."""
        statement = signed.statement
        public = proof_key_from_text(key or self.stage.proof_key)
        sealed = encrypt_proof(public, token, statement=statement.document())
        plan_id = plan_id or statement.plan_id
        return self.ask(ProofCall(plan_id=plan_id, signed=signed, sealed_token=sealed))

    def deny(self, plan_id: str, subject: str, reason: str = "") -> dict[str, Any]:
        return self.ask(DenyCall(plan_id=plan_id, approver=self.person(subject), reason=reason))

    def person(self, subject: str) -> Identity:
        return Identity(iss=self.stage.record.issuer, sub=subject)

    def stored(self, plan_id: str) -> dict[bytes, bytes]:
        """A plan as it lies in Redis."""
        return cast("dict[bytes, bytes]", self.redis.hgetall(f"wk:plan:{plan_id}"))


@contextmanager
def owner_of(stage: Stage, part: str) -> Iterator[Attacker]:
    """Whoever owns a process: its Redis user is in its environment."""
    with Attacker(stage, stage.environment(part)["INFRA_GATE_REDIS_URL"]) as attacker:
        yield attacker


@contextmanager
def redis_root(stage: Stage) -> Iterator[Attacker]:
    """Whoever owns Redis."""
    with Attacker(stage, redis_users.url(stage.places, stage.record.redis_port, "root")) as root:
        yield root


def until_served(root: Attacker) -> None:
    """Waits until all workers have announced themselves again, and gateway and pages know it."""
    eventually(lambda: len(list(root.redis.scan_iter("wk:worker:*"))) >= len(WORKERS))
    eventually(root.stage.served)


def refused(reply: dict[str, Any], *codes: str) -> bool:
    """Says whether a reply is a refusal with one of these codes."""
    assert reply["kind"] in {"refusal", "fault"}, reply
    assert reply["code"] in codes, reply
    return True
