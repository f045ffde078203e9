"""Any order of honest calls, crashes, races, clock jumps and attacks on Redis: what always holds.

A state machine plays planner, approver, applier and an attacker who owns Redis, against a cluster
in memory, and remembers on its own who truly approved or withdrew what. Every write is judged at
the moment it takes effect. `INFRAGATE_PLAN_LIFE_EXAMPLES` and `_STEPS` make it look deeper.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared import audit
from shared.approvals import SignedStatement
from shared.audit import AuditLog, Head
from shared.errors import ClusterTimeout, Fault, RedisUnavailable, Refusal
from shared.messages import ApplyCall, CancelCall, ChallengeCall, DenyCall, PlanCall
from shared.plans import APPLY_WINDOW_S, DIGEST_ANNOTATION, ENDED, Identity, Operation, State
from shared.stores.plan_records import StoredPlan
from shared.stores.plans import PlanStore
from tests.worker.model_cluster import ModelCluster, RealWrite
from tests.worker.worlds import ADA, ROB, World, make_world
from worker import applying, approving, claims, planning, withdrawing

EXAMPLES = int(os.environ.get("INFRAGATE_PLAN_LIFE_EXAMPLES", "40"))
STEPS = int(os.environ.get("INFRAGATE_PLAN_LIFE_STEPS", "25"))
NAMES = ("one", "two")
ROB_HIMSELF = Identity(iss=ROB.iss, sub=ROB.sub)


class Killed(BaseException):
    """Stands for kill -9: nothing in the product may catch it."""


@dataclass
class Fuse:
    """Lets something happen around the n-th effect from now: a crash, a fault, another's turn."""

    left: int = -1
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.left -= 1
        burning = self.left == -1
        if burning:
            self.before(name)
        yield
        if burning:
            self.after(name)


class FusedStore(PlanStore):
    """The plan store, with each of its changes an effect."""

    fuse: Fuse

    def move(self, stored: StoredPlan, target: State, fields: Any = None) -> bool:
        with self.fuse(f"redis move {target.value}"):
            return super().move(stored, target, fields)

    def spend(self, session: str, *, keep_s: int) -> bool:
        with self.fuse("redis spend"):
            return super().spend(session, keep_s=keep_s)

    def load(self, plan_id: str) -> StoredPlan | None:
        with self.fuse("redis load"):
            return super().load(plan_id)


class FusedAudit(AuditLog):
    """The audit log, with each record an effect."""

    fuse: Fuse

    def record(self, event: str, **fields: Any) -> Head:
        with self.fuse(f"audit {event}"):
            return super().record(event, **fields)


@dataclass
class Truth:
    """What a plan is and what people truly did about it, whatever Redis says."""

    id: str
    digest: str
    wanted: dict[str, str | None]
    """The data each object is to have; None where it is to be deleted."""
    expires_at: int
    proofs: list[float] = field(default_factory=list)
    """When each honest proof for exactly these bytes was verified."""
    withdrawn: bool = False
    written: list[str] = field(default_factory=list)
    """Objects written, in order."""
    writer: int | None = None
    """Number of the one apply call that may write."""
    attacked: bool = False
    """Redis was tampered with, so what it says of this plan may be a lie."""
    reported: str = ""
    """The end that an apply call gave as final."""


def fault_for(name: str) -> Fault:
    if name.startswith(("redis", "audit")):
        return RedisUnavailable("gone")
    return ClusterTimeout("The API server did not answer in time.")


def killing(_: str) -> None:
    raise Killed


def failing(name: str) -> None:
    raise fault_for(name)


class PlanLife(RuleBasedStateMachine):
    """One cluster, one Redis, one policy; up to a handful of plans."""

    url: ClassVar[str]
    plans = Bundle("plans")
    tokens = Bundle("tokens")
    backups = Bundle("backups")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="plan-life-"))
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
        self.world: World = make_world(self.url, self.folder)
        self.fuse = Fuse()
        self.cluster = ModelCluster(self.world.clock, effect=self.fuse, wrote=self.judge)
        self.truths: dict[str, Truth] = {}
        self.calls: list[tuple[int, Truth]] = []
        self.call_count = 0
        self.restart()

    def teardown(self) -> None:
        self.world.redis.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ── the judge ────────────────────────────────────────────────────────────────────────────

    def judge(self, write: RealWrite) -> None:
        """Judges a write at the moment it takes effect."""
        number, truth = self.calls[-1]
        now = self.world.clock()
        if write.verb == "adopt":
            assert truth.written[-1:] == [write.name], "bookkeeping of something not written"
            return
        assert truth.writer in {None, number}, "written by a second apply"
        assert write.name not in truth.written, "written twice"
        assert any(then <= now < then + APPLY_WINDOW_S for then in truth.proofs), "not approved"
        assert now < truth.expires_at, "written after the plan's expiry"
        assert not truth.withdrawn, "written after it was withdrawn"
        assert truth.digest in self.started(), "written before it was recorded"
        assert truth.attacked or not truth.reported, f"written after it was said {truth.reported}"
        self.compare(write, truth)
        truth.writer = number
        truth.written.append(write.name)

    def compare(self, write: RealWrite, truth: Truth) -> None:
        wanted = truth.wanted[write.name]
        if wanted is None:
            assert write.result is None, "not what was approved"
            return
        assert write.result is not None, "not what was approved"
        assert write.result["data"] == {"key": wanted}, "not what was approved"
        assert write.result["metadata"]["annotations"][DIGEST_ANNOTATION] == truth.digest

    def started(self) -> set[str]:
        events = self.world.audit_events()
        return {event["digest"] for event in events if event["event"] == "apply.started"}

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def honest(self) -> Iterator[None]:
        """A call that may be refused, fail or be killed; never does it revive what has ended."""
        ended = {truth.id: state for truth in self.truths.values() if (state := self.state(truth))}
        with suppress(Fault, Killed):
            yield
        self.fuse.left = -1
        for plan_id, state in ended.items():
            if state in ENDED:
                assert self.state(self.truths[plan_id]) is state, f"left {state}"

    def state(self, truth: Truth) -> State | None:
        raw = cast("bytes | None", self.world.redis.hget(f"wk:plan:{truth.id}", "state"))
        with suppress(ValueError):
            return State((raw or b"").decode())
        return None

    def applied(self, truth: Truth) -> None:
        self.call_count += 1
        self.calls.append((self.call_count, truth))
        try:
            answer = applying.apply(ApplyCall(plan_id=truth.id), self.world.context, _nothing)
        finally:
            self.calls.pop()
        if isinstance(answer, dict):
            self.believe(truth, str(answer["state"]))

    def believe(self, truth: Truth, state: str) -> None:
        """An apply call's answer: true, and final where it says so, while Redis is let alone."""
        if truth.attacked:
            return
        if state == State.APPLIED:
            assert truth.written == list(truth.wanted), "said to be applied"
        if state in {State.FAILED, State.STALE, State.REVOKED, State.DENIED, State.CANCELLED}:
            truth.reported = state

    def denied(self, truth: Truth) -> None:
        answer = withdrawing.deny(DenyCall(plan_id=truth.id, approver=ADA), self.world.context)
        truth.withdrawn |= not isinstance(answer, Refusal)

    def cancelled(self, truth: Truth) -> None:
        call = CancelCall(plan_id=truth.id, requester=ROB_HIMSELF)
        answer = withdrawing.cancel(call, self.world.context)
        truth.withdrawn |= not isinstance(answer, Refusal)

    def approved(self, truth: Truth) -> None:
        self.world.clock.now += 1  # one login a second, each its own
        login = self.login(truth)
        if login is not None:
            self.proven(truth, *login)

    def login(self, truth: Truth) -> tuple[SignedStatement, str] | None:
        """A challenge and a real login for it; None where the plan cannot be approved."""
        call = ChallengeCall(plan_id=truth.id, approver=ADA)
        answer = approving.challenge(call, self.world.context)
        if isinstance(answer, Refusal):
            return None
        signed = SignedStatement.model_validate(answer)
        return signed, self.world.provider.id_token(**self.world.claims(signed))

    def proven(self, truth: Truth, signed: SignedStatement, token: str) -> None:
        """Sends an honest login's token; from then on, even if the answer is lost, it may count."""
        now = self.world.clock()
        signed_for = signed.statement.plan_digest
        answer: object = None
        try:
            answer = self.world.prove(signed, token, plan_id=truth.id)
        finally:
            if signed_for == truth.digest and not isinstance(answer, Refusal):
                truth.proofs.append(now)
        assert signed_for == truth.digest or isinstance(answer, Refusal), "proof of another plan"

    # ── honest people ────────────────────────────────────────────────────────────────────────

    @initialize(
        target=plans, names=st.sampled_from([("one",), ("two",), NAMES]), approved=st.booleans()
    )
    def begin(self, names: tuple[str, ...], approved: bool) -> Any:
        self.cluster.put("ConfigMap", "two", apiVersion="v1", data={"key": "old"})
        return self.asked(names, "a", deletes=False, approved=approved)

    @precondition(lambda self: len(self.truths) < 6)
    @rule(
        target=plans,
        names=st.sampled_from([("one",), ("two",), NAMES]),
        data=st.sampled_from("abc"),
        deletes=st.booleans(),
        approved=st.booleans(),
    )
    def ask(self, names: tuple[str, ...], data: str, deletes: bool, approved: bool) -> Any:
        return self.asked(names, data, deletes=deletes, approved=approved)

    def asked(self, names: tuple[str, ...], data: str, *, deletes: bool, approved: bool) -> Any:
        documents = "\n---\n".join(_config_map(name, data) for name in names)
        operation = Operation.DELETE if deletes else Operation.APPLY
        call = PlanCall(
            operation=operation, namespace="demo", manifest=documents, requester=ROB, reason="why"
        )
        answer = planning.make_plan(call, self.world.context)
        if isinstance(answer, Refusal) or not isinstance(answer, dict) or "plan_id" not in answer:
            return multiple()
        stored = self.world.load(str(answer["plan_id"]))
        plan = stored.plan()
        assert not isinstance(plan, Refusal)
        truth = Truth(
            id=plan.id,
            digest=stored.sealed.digest,
            wanted=dict.fromkeys(names, None if deletes else data),
            expires_at=plan.expires_at,
        )
        self.truths[truth.id] = truth
        if approved:
            self.approved(truth)
        return truth

    @rule(target=tokens, truth=plans)
    def sign_in(self, truth: Truth) -> Any:
        self.world.clock.now += 1
        login = self.login(truth)
        return multiple() if login is None else login

    @rule(truth=plans, token=tokens, own=st.booleans())
    def send_proof(self, truth: Truth, token: tuple[SignedStatement, str], own: bool) -> None:
        """Perhaps again, perhaps late, perhaps for a plan that it was not made for."""
        with self.honest():
            self.proven(self.truths[token[0].statement.plan_id] if own else truth, *token)

    @rule(truth=plans)
    def approve(self, truth: Truth) -> None:
        with self.honest():
            self.approved(truth)

    @rule(truth=plans, call=st.sampled_from(["denied", "cancelled"]))
    def withdraw(self, truth: Truth, call: str) -> None:
        with self.honest():
            getattr(self, call)(truth)

    @rule(truth=plans)
    def apply(self, truth: Truth) -> None:
        with self.honest():
            self.applied(truth)

    @rule(seconds=st.sampled_from([1, 45, 90, 200, 301, 600, 901, 3700, 100_000]))
    def wait(self, seconds: int) -> None:
        self.world.clock.now += seconds

    @rule()
    def collect(self) -> None:
        claims.collect(cast("Any", self.cluster), now=int(self.world.clock()))

    @rule()
    def restart(self) -> None:
        """New processes: whatever was held in memory is gone."""
        store = FusedStore(self.world.redis)
        log = FusedAudit(self.folder / "audit", self.world.clock)
        store.fuse = log.fuse = self.fuse
        self.world.context = replace(
            self.world.context, cluster=cast("Any", self.cluster), plans=store, audit=log
        )

    # ── what goes wrong ──────────────────────────────────────────────────────────────────────

    @rule(
        truth=plans,
        call=st.sampled_from(["applied", "applied", "denied", "cancelled"]),
        at=st.integers(0, 24),
        what=st.sampled_from([killing, failing]),
        after=st.booleans(),
    )
    def break_down(
        self, truth: Truth, call: str, at: int, what: Callable[[str], None], after: bool
    ) -> None:
        self.fuse.left, self.fuse.before, self.fuse.after = (
            at,
            _nothing if after else what,
            what if after else _nothing,
        )
        with self.honest():
            getattr(self, call)(truth)

    @rule(
        truth=plans,
        call=st.sampled_from(["applied", "applied", "denied", "cancelled"]),
        at=st.integers(0, 24),
        other=st.sampled_from(["applied", "denied", "cancelled", "drift", "touch", "late"]),
    )
    def interleave(self, truth: Truth, call: str, at: int, other: str) -> None:
        """In the middle of one call, another worker carries out another one."""

        def meanwhile(_: str) -> None:
            with suppress(Fault):
                if other in {"drift", "touch", "late"}:
                    getattr(self, other)()
                else:
                    getattr(self, other)(truth)

        self.fuse.left, self.fuse.before, self.fuse.after = at, meanwhile, _nothing
        with self.honest():
            getattr(self, call)(truth)

    @rule()
    def drift(self) -> None:
        self.cluster.put("ConfigMap", "two", apiVersion="v1", data={"key": "theirs"})

    @rule()
    def touch(self) -> None:
        if ("ConfigMap", "two") in self.cluster.objects:
            self.cluster.touch("ConfigMap", "two")

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.cluster.remove("ConfigMap", name)

    def late(self) -> None:
        self.world.clock.now += 120

    # ── whoever owns Redis ───────────────────────────────────────────────────────────────────

    @rule(target=backups, truth=plans)
    def back_up(self, truth: Truth) -> Any:
        dump = self.world.redis.dump(f"wk:plan:{truth.id}")
        return multiple() if dump is None else (truth.id, dump)

    @rule(backup=backups)
    def restore(self, backup: tuple[str, bytes]) -> None:
        self.truths[backup[0]].attacked = True
        self.world.redis.restore(f"wk:plan:{backup[0]}", 0, backup[1], replace=True)

    @rule(backup=backups, truth=plans)
    def pass_off(self, backup: tuple[str, bytes], truth: Truth) -> None:
        """One plan's whole record under another one's name."""
        truth.attacked = True
        self.world.redis.restore(f"wk:plan:{truth.id}", 0, backup[1], replace=True)

    @rule(truth=plans, state=st.sampled_from(sorted(State)), version=st.integers(0, 4))
    def forge_state(self, truth: Truth, state: State, version: int) -> None:
        self.forge(truth, {"state": state.value, "version": version})

    @rule(truth=plans, source=plans, fields=st.sets(st.sampled_from(
        ["document", "seal", "digest", "receipt", "outcome", "state", "version"]
    )))  # fmt: skip
    def copy_fields(self, truth: Truth, source: Truth, fields: set[str]) -> None:
        row = cast("dict[bytes, bytes]", self.world.redis.hgetall(f"wk:plan:{source.id}"))
        self.forge(truth, {name: row[name.encode()] for name in fields if name.encode() in row})

    @rule(truth=plans, name=st.sampled_from(["outcome", "receipt", "document", "seal", "version"]))
    def garble(self, truth: Truth, name: str) -> None:
        self.forge(truth, {name: "{nonsense"})

    @rule(everything=st.booleans())
    def forget(self, everything: bool) -> None:
        """Spent logins are forgotten, or all there is."""
        for key in cast("list[bytes]", self.world.redis.keys("*" if everything else "wk:spent:*")):
            self.world.redis.delete(key)
        for truth in self.truths.values():
            truth.attacked |= everything

    def forge(self, truth: Truth, fields: dict[str, Any]) -> None:
        if fields:
            truth.attacked = True
            self.world.redis.hset(f"wk:plan:{truth.id}", mapping=cast("dict[Any, Any]", fields))

    # ── always ───────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_audit_log_is_whole(self) -> None:
        if self.world.context.audit.path.exists():
            assert audit.verify(self.world.context.audit.path) == ()


def _nothing(*_: object) -> None:
    return None


def _config_map(name: str, data: str) -> str:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"key": data},
    }
    return json.dumps(body)


def test_nothing_is_written_but_what_was_truly_approved_and_that_at_most_once(
    redis_url: str,
) -> None:
    PlanLife.url = redis_url
    run_state_machine_as_test(
        PlanLife,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
