"""A small world for the verbs: one plan, one provider with a real key, a claims-only cluster.

The provider signs real RS256 tokens; Redis is the real server of `tests.conftest`; the audit log is
a real file. Only the cluster is a stand-in, and only as far as Leases go.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jwt
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.approvals import SignedStatement
from shared.approver_rules import ApproverRule
from shared.audit import AuditLog
from shared.errors import AlreadyExists, Refusal
from shared.guardrails import Policies
from shared.jwks import KeySet, parse_key_set
from shared.messages import ChallengeCall, ProofCall, Role
from shared.passkeys import Assertion
from shared.plans import (
    Action,
    ClusterRef,
    Identity,
    Intent,
    Operation,
    Plan,
    PlannedChange,
    PlannedObject,
    Requester,
    RiskNote,
    SealedPlan,
)
from shared.seals import encrypt_proof, seal_plan
from shared.settings import WorkerSettings
from shared.stores.plan_records import StoredPlan
from shared.stores.plans import PlanStore
from tests.worker.authenticator import ORIGIN
from worker import approving
from worker.context import Context
from worker.keys import Keys
from worker.passkeys import Passkey
from worker.policy import LoadedPolicy

ISSUER = "http://127.0.0.1:3011"
CLIENT = "infra-gate-approval-ui"
NOW = 1_800_000_000
ADA = Identity(iss=ISSUER, sub="ada")
ROB = Requester(iss=ISSUER, sub="rob", client_id="codex", assurance="gateway-asserted")
RULE = ApproverRule(namespaces=("demo",), subjects=(ADA,))
_SIGNING_KEY: RSAPrivateKey = generate_private_key(public_exponent=65537, key_size=2048)


class Claims:
    """Leases and nothing else; every call is kept, so that a test can say what was never asked."""

    def __init__(self) -> None:
        self.identity = SimpleNamespace(name="local", uid="cluster-1", ca_sha256="ca")
        self.leases: dict[str, dict[str, Any]] = {}

    @property
    def plan_claims(self) -> dict[str, dict[str, Any]]:
        """The Leases of plans, without those of logins."""
        return {name: one for name, one in self.leases.items() if "login" not in name}

    def create_lease(self, name: str, *, holder: str, annotations: dict[str, str]) -> None:
        if name in self.leases:
            raise AlreadyExists("taken", status=409)
        self.leases[name] = {
            "metadata": {
                "name": name,
                "annotations": dict(annotations),
                "creationTimestamp": "2027-01-15T08:00:00Z",
            },
            "spec": {"holderIdentity": holder},
        }

    def get_lease(self, name: str) -> dict[str, Any] | None:
        return self.leases.get(name)

    def list_leases(self) -> tuple[dict[str, Any], ...]:
        return tuple(self.leases.values())

    def delete_lease(self, name: str) -> None:
        self.leases.pop(name, None)


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Provider:
    """An identity provider that signs what it is told to."""

    key: RSAPrivateKey = field(default_factory=lambda: _SIGNING_KEY)
    kid: str = "k1"

    def keys_for(self, _kid: str) -> KeySet:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_SIGNING_KEY.public_key()))
        document = {"keys": [{**public, "kid": "k1", "alg": "RS256", "use": "sig"}]}
        keys = parse_key_set(json.dumps(document).encode())
        assert isinstance(keys, KeySet)
        return keys

    def id_token(self, **claims: object) -> str:
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self.key, algorithm="RS256", headers={"kid": self.kid})


@dataclass
class World:
    context: Context
    provider: Provider
    clock: Clock
    cluster: Claims
    redis: "redis.Redis"
    planner: Ed25519PrivateKey
    browser: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    """The session at the provider; a world's own, since a cluster remembers spent logins."""

    def store(self, plan: Plan | None = None, *, seal: str | None = None) -> StoredPlan:
        plan = plan or a_plan()
        unsealed = SealedPlan(document=plan.document(), seal="")
        good = seal_plan(self.planner, unsealed.digest, plan.expires_at)
        self.context.plans.add(plan, SealedPlan(document=plan.document(), seal=seal or good))
        return self.load(plan.id)

    def load(self, plan_id: str = "plan-1") -> StoredPlan:
        stored = self.context.plans.load(plan_id)
        assert stored is not None
        return stored

    def challenge(self, approver: Identity = ADA, plan_id: str = "plan-1") -> SignedStatement:
        answer = approving.challenge(
            ChallengeCall(plan_id=plan_id, approver=approver), self.context
        )
        assert not isinstance(answer, Refusal), answer
        return SignedStatement.model_validate(answer)

    def claims(self, signed: SignedStatement, **changed: object) -> dict[str, object]:
        now = int(self.clock())
        honest: dict[str, object] = {
            "iss": ISSUER,
            "sub": signed.statement.approver.sub,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": signed.statement.nonce(),
            "sid": self.browser,
        }
        return honest | changed

    def prove(
        self,
        signed: SignedStatement,
        token: str | None = None,
        *,
        plan_id: str = "plan-1",
        assertion: Assertion | None = None,
    ) -> object:
        token = token or self.provider.id_token(**self.claims(signed))
        assert self.context.keys.proof is not None
        sealed = encrypt_proof(
            self.context.keys.proof.public_key(), token, statement=signed.statement.document()
        )
        call = ProofCall(plan_id=plan_id, signed=signed, sealed_token=sealed, assertion=assertion)
        return approving.prove(call, self.context)

    def with_rules(self, *rules: ApproverRule) -> None:
        policy = replace(self.context.policy, approvers=rules)
        self.context = replace(self.context, policy=policy)

    def with_passkeys(self, *passkeys: Passkey) -> None:
        """The policy holds these; the pages are at `authenticator.ORIGIN`."""
        settings = self.context.settings.model_copy(update={"approval_base_url": ORIGIN})
        policy = replace(self.context.policy, passkeys=passkeys)
        self.context = replace(self.context, policy=policy, settings=settings)

    def audit_events(self) -> list[dict[str, Any]]:
        path = self.context.audit.path
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def a_plan(**changed: Any) -> Plan:
    honest: dict[str, Any] = {
        "id": "plan-1",
        "salt": "c2FsdA",
        "cluster": ClusterRef(name="local", id="cluster-1", ca_sha256="ca"),
        "namespace": "demo",
        "operation": Operation.SCALE,
        "summary": "web: replicas 2 → 4",
        "objects": (
            PlannedObject(
                api_version="apps/v1",
                kind="Deployment",
                name="web",
                action=Action.UPDATE,
                uid="u1",
                base_digest="sha256:" + "0" * 64,
                predicted_digest="sha256:" + "1" * 64,
                intent=Intent(
                    verb="patch", body=[{"op": "replace", "path": "/spec/replicas", "value": 4}]
                ),
                changes=(PlannedChange(path="spec.replicas", op="change", old=2, new=4),),
            ),
        ),
        "findings": (),
        "warnings": (),
        "managers": (),
        "requester": ROB,
        "reason": "more traffic",
        "risk": RiskNote(level="low"),
        "policy_sha256": "p",
        "created_at": NOW,
        "expires_at": NOW + 3600,
    }
    return Plan(**(honest | changed))


def make_world(redis_url: str, folder: Path) -> World:
    client = redis.Redis.from_url(redis_url)
    clock, cluster, provider = Clock(), Claims(), Provider()
    planner, applier = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    settings = WorkerSettings(
        audit_root=folder / "audit", evidence_root=folder / "evidence", keys_root=folder / "keys"
    )
    context = Context(
        settings=settings,
        cluster=cast("Any", cluster),
        redis=client,
        plans=PlanStore(client),
        policy=LoadedPolicy(
            approvers=(RULE,), guardrails=Policies(), sha256=hashlib.sha256(b"").hexdigest()
        ),
        keys=Keys(
            seal=planner,
            receipt=applier,
            proof=X25519PrivateKey.generate(),
            seal_public=(planner.public_key(),),
            receipt_public=(applier.public_key(),),
        ),
        audit=AuditLog(folder / "audit", clock),
        provider_keys=cast("Any", provider),
        clock=clock,
        namespaces=("demo",),
        roles=tuple(Role),
    )
    return World(
        context=context,
        provider=provider,
        clock=clock,
        cluster=cluster,
        redis=client,
        planner=planner,
    )
