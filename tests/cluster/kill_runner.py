"""An applier as a process of its own, that a test can have killed at a named point of applying.

`python -m tests.cluster.kill_runner SPEC`: reads orders from stdin, a JSON line each, and answers
each with one. With a point, a fork applies the plan and kills itself there with SIGKILL: no
`finally`, no flush, no goodbye. Without one it applies the plan itself, as a worker does.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit import AuditLog
from shared.errors import Fault, Refusal
from shared.messages import ApplyCall
from shared.stores.plans import PlanStore
from tests.worker.worlds import RULE, World, make_world
from worker import applying, claims, drift, evidence, guarding, settling, writes
from worker.cluster import Cluster
from worker.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place in applying: right before or right after the `count`-th call of one function."""

    owner: Any
    name: str
    when: Literal["before", "after"]
    count: int = 1


POINTS: Final[dict[str, Point]] = {
    "1 opened": Point(owner=applying, name="open_plan", when="after"),
    "2 receipt checked": Point(owner=applying, name="_receipt", when="after"),
    "3 rules checked": Point(owner=guarding, name="plan_refusal", when="after"),
    "4 drift checked": Point(owner=drift, name="drifted", when="after"),
    "5 previewed": Point(owner=drift, name="preview", when="after"),
    "6 recorded": Point(owner=AuditLog, name="record", when="after"),
    "6 before the claim": Point(owner=claims, name="take", when="before"),
    "6 claimed": Point(owner=claims, name="take", when="after"),
    "7 before the mark": Point(owner=PlanStore, name="move", when="before"),
    "7 marked": Point(owner=PlanStore, name="move", when="after"),
    "8 before the write": Point(owner=applying, name="_write_one", when="before"),
    "8 written": Point(owner=writes, name="_adopt", when="before"),
    "8 adopted": Point(owner=writes, name="_adopt", when="after"),
    "8 between two writes": Point(owner=applying, name="_write_one", when="before", count=2),
    "9 before reading back": Point(owner=applying, name="_read_back", when="before"),
    "9 read back": Point(owner=applying, name="_read_back", when="after"),
    "10 before the outcome": Point(owner=settling, name="finish", when="before"),
    "10 recorded": Point(owner=settling, name="finish", when="after"),
    "10 exported": Point(owner=evidence, name="export", when="after"),
    "11 before the rollout": Point(owner=applying, name="follow", when="before"),
    "11 followed": Point(owner=applying, name="follow", when="after"),
}
"""The numbers are those of `worker.applying`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What an applier process is given: files, keys and a clock that stands still."""

    redis_url: str
    kubeconfig: str
    folder: str
    namespace: str
    seal: str
    receipt: str
    """Raw private keys in hexadecimal; the tests' own, made for one test."""

    def world(self) -> World:
        """Opens everything anew, as a process that starts does."""
        world = make_world(self.redis_url, Path(self.folder))
        seal, receipt = (
            Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key))
            for key in (self.seal, self.receipt)
        )
        world.context = replace(
            world.context,
            cluster=Cluster.connect(Path(self.kubeconfig), name="local"),
            namespaces=(self.namespace,),
            keys=Keys(
                receipt=receipt,
                seal_public=(seal.public_key(),),
                receipt_public=(receipt.public_key(),),
            ),
            policy=replace(
                world.context.policy,
                approvers=(RULE.model_copy(update={"namespaces": (self.namespace,)}),),
            ),
        )
        return world


def applied(world: World, plan_id: str, now: float) -> str:
    """Applies a plan; returns its state, or the code of the refusal or fault."""
    world.clock.now = now
    try:
        answer = applying.apply(ApplyCall(plan_id=plan_id), world.context, lambda *_: None)
    except Fault as fault:
        return fault.code
    if isinstance(answer, Refusal):
        return answer.code
    assert isinstance(answer, dict)
    return str(answer["state"])


def arm(point: Point) -> None:
    """Makes this process kill itself at a point."""
    original: Callable[..., Any] = getattr(point.owner, point.name)
    calls = 0

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == point.count and point.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if calls == point.count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(point.owner, point.name, deadly)


def killed(spec: Spec, plan_id: str, now: float, point: Point) -> int:
    """Applies a plan in a fork that dies at a point; returns the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        arm(point)
        applied(spec.world(), plan_id, now)
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main(path: str) -> int:
    spec = Spec(**json.loads(Path(path).read_text("utf-8")))
    world: World | None = None
    say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        plan_id, now, name = order["plan"], order["now"], order.get("point")
        if name is not None:
            answer: object = killed(spec, plan_id, now, POINTS[name])
        else:
            world = world or spec.world()
            answer = applied(world, plan_id, now)
        say(answer)
    return 0


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
