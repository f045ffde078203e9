"""Every kind of page that people see, one after the other, in a browser.

Plans in each state, lists full and empty, passkeys, errors: what looks at all pages walks here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from playwright.sync_api import Page, expect

from api.provider import ProviderUnavailable
from shared.closings import closing_of, signed_closing
from shared.digests import base64url
from shared.enrollment import Enrollment
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import Action, Identity, Note, Operation, Plan, RiskNote, State
from shared.stores.history import HistoryStore
from shared.stories import told
from tests.api.stage import changed_object, make_plan
from tests.browser.conftest import APPROVER, Site, clock, sign_in
from tests.browser.plans import config_map, fresh_plan, rich
from tests.worker.authenticator import Authenticator

COLLEAGUE: Final = "dev-approver-2"
REASON: Final = "Not before the freeze ends on Monday; ask again then."


@dataclass(slots=True, kw_only=True)
class Walk:
    """A browser on its way through all pages; `view` keeps the plans of two walks apart."""

    page: Page
    site: Site
    view: str
    device: Authenticator = field(init=False)

    def __post_init__(self) -> None:
        self.device = Authenticator(rp_id="127.0.0.1", origin=self.site.base)
        self.site.workers.origin = self.site.base

    def __iter__(self) -> Iterator[str]:
        """Goes to the next page and gives its name."""
        yield from self.signing_in()
        yield from self.plans()
        yield from self.lists()
        yield from self.passkeys()
        yield from self.problems()

    def signing_in(self) -> Iterator[str]:
        self.page.goto(f"{self.site.base}/approvals/login")
        yield "login"
        sign_in(self.page, self.site, who="dev-outsider")
        yield "inbox-empty"
        self.go("history")
        yield "history-empty"
        self.go(self.add("not-yours").id)
        yield "error-not-an-approver"
        self.page.context.clear_cookies()
        sign_in(self.page, self.site)

    def plans(self) -> Iterator[str]:
        now = clock()
        for name, plan in self.waiting().items():
            self.go(plan.id)
            yield f"plan-{name}"
        self.site.workers.changed = ("Deployment nginx: spec.replicas is 3, was 2",)
        self.go(self.add("stale").id)
        yield "plan-stale"
        self.site.workers.changed = ()
        over = self.add("expired", created_at=now - 4000, expires_at=now - 400)
        self.go(over.id)
        yield "plan-expired"
        by = Identity(iss=self.site.issuer, sub=COLLEAGUE).model_dump_json()
        decided = {"decided_by": by, "decided_reason": REASON, "decided_at": str(now - 60)}
        for state in (State.DENIED, State.REVOKED):
            self.go(self.add(state, **rich()).id, state, **decided)
            yield f"plan-{state}"
        self.go(self.approved("approved").id)
        yield "plan-approved"
        for name, (state, outcome) in outcomes(now).items():
            plan = self.approved(name)
            self.go(plan.id, state, outcome=outcome.model_dump_json())
            yield f"plan-{name}"

    def lists(self) -> Iterator[str]:
        self.go("")
        yield "inbox"
        self.page.get_by_text("Search and filter").click()
        yield "inbox-filters"
        self.go("?q=nothing-is-like-that")
        yield "inbox-none-fits"
        self.go("?risk=high&state=mine")
        yield "inbox-filtered"
        self.remember()
        self.go("history")
        yield "history"
        self.go("history?q=nothing-is-like-that")
        yield "history-none-fits"
        self.go(f"{self.named('applied')}/timeline")
        yield "timeline"
        self.go(f"{self.named('waiting')}/timeline")
        yield "timeline-empty"

    def passkeys(self) -> Iterator[str]:
        person = Identity(iss=self.site.issuer, sub=APPROVER)
        self.go("passkeys")
        yield "passkey-code"
        begun = Enrollment(
            iss=person.iss,
            sub=person.sub,
            rp_id="127.0.0.1",
            origin=self.site.base,
            random=base64url(bytes(32)),
            expires_at=clock() + 100,
        )
        self.page.get_by_label("Code from").fill(begun.code())
        self.press("Go on")
        yield "passkey-make"
        self.answer(self.device.create(begun).model_dump_json())
        yield "passkey-made"
        self.site.workers.passkeys = (self.device.passkey(person),)
        self.approve(self.add("passkey"))
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Use your passkey")
        yield "passkey-use"
        self.answer("{}")
        yield "error-no-passkey"
        self.site.workers.passkeys = ()

    def problems(self) -> Iterator[str]:
        workers = self.site.workers
        for name in ("none", "error-no-such-page/at/all"):
            self.go(name)
            yield f"error-{'no-such-plan' if name == 'none' else 'no-such-page'}"
        decided = self.add("decided")
        self.go(decided.id)
        self.page.get_by_role("textbox", name="Reason").fill("x")  # so that the page stays as it is
        by = Identity(iss=self.site.issuer, sub=COLLEAGUE).model_dump_json()
        workers.record(
            decided.id, State.DENIED, decided_by=by, decided_reason=REASON, decided_at=str(clock())
        )
        self.press("Approve")
        yield "error-already-decided"
        self.approve(self.add("somebody"), "dev-outsider")
        yield "error-somebody-else"
        self.go(self.add("high", **rich()).id)
        self.page.get_by_label("type the namespace").fill("another")
        self.press("Approve")
        yield "error-namespace"
        self.page.goto(f"{self.site.base}/approvals/callback?state=x&code=y")
        yield "error-sign-in"
        self.go(self.add("provider").id)
        workers.fault = ProviderUnavailable("The identity provider does not answer.")
        self.press("Approve")
        yield "error-provider-down"
        workers.fault = None
        workers.running = False
        self.go(self.named("waiting"))
        yield "error-worker-down"
        workers.running = True

    def waiting(self) -> dict[str, Plan]:
        before = config_map("\n".join(f"option_{number} = 1" for number in range(5)))
        gone = changed_object(before, before).model_copy(
            update={"action": Action.DELETE, "changes": ()}
        )
        high = RiskNote(
            level="high",
            reasons=(Note(code="deletes", message="ConfigMap goes.", severity="critical"),),
        )  # fmt: skip
        return {
            "waiting": self.add("waiting"),
            "rollback": self.add("rollback", undoes="another", reason=""),
            "high": self.add("high-risk", **rich()),
            "delete": self.add(
                "delete",
                operation=Operation.DELETE,
                summary="delete ConfigMap nginx-conf",
                objects=(gone,),
                risk=high,
            ),
        }

    def add(self, name: str, **changes: object) -> Plan:
        return self.site.workers.add(fresh_plan(self.named(name), **changes))

    def named(self, name: str) -> str:
        return f"{name}-{self.view}"

    def go(self, path: str, state: State | None = None, **fields: str) -> None:
        """Opens a page of this site; of a plan that is in this state now, if one is given."""
        if state is not None:
            self.site.workers.record(path, state, **fields)
        joint = "" if not path or path.startswith("?") else "/"
        self.page.goto(f"{self.site.base}/approvals{joint}{path}")

    def press(self, name: str) -> None:
        """Presses a button and waits for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name).click()

    def approve(self, plan: Plan, who: str = APPROVER) -> None:
        self.go(plan.id)
        self.page.get_by_role("button", name="Approve").click()
        self.page.locator(f"button[value={who}]").click()
        self.page.wait_for_url(re.compile("/approvals/"))

    def approved(self, name: str) -> Plan:
        plan = self.add(name, **rich() | {"risk": make_plan().risk})
        self.approve(plan)
        return plan

    def answer(self, answer: str) -> None:
        """Sends what a device would say, without one."""
        with self.page.expect_navigation():
            self.page.locator("form[data-passkey]").evaluate(
                "(form, answer) => { form.elements.answer.value = answer; form.submit(); }", answer
            )

    def remember(self) -> None:
        """What an applier remembers of some plans, and the story of one."""
        now, workers = clock(), self.site.workers
        store = HistoryStore(workers.redis)
        approver = Identity(iss=self.site.issuer, sub=APPROVER)
        ends: tuple[dict[str, object], ...] = (
            {"state": State.APPLIED, "approvers": (approver,), "message": "2 of 2 written."},
            {"state": State.APPLIED, "approvers": (approver,), "rollout": "failed"},
            {"state": State.DENIED, "decided_by": approver, "reason": REASON},
        )  # fmt: skip
        for number, end in enumerate(ends):
            plan = fresh_plan(self.named(f"past-{number}"), **rich())
            times = {"decided_at": now - 70, "ended_at": now - 50 + number}
            closing = closing_of(plan, "sha256:" + "0" * 64, **(times | end))
            signed = signed_closing(workers.receipt_key, closing).model_dump_json()
            store.keep(plan.id, signed, at=closing.ended_at)
        by = {"iss": self.site.issuer, "sub": APPROVER}
        for number, (event, facts) in enumerate(
            (
                ("plan.created", {"iss": self.site.issuer, "sub": "dev-requester"}),
                ("proof.accepted", by),
                ("apply.started", by),
                ("apply.succeeded", {}),
            )
        ):
            record: dict[str, str | int | bool] = {
                "seq": number,
                "time": datetime.fromtimestamp(now - 90 + 9 * number, UTC).isoformat(),
                "event": event,
                "plan": self.named("applied"),
                **facts,
            }
            copy = told(workers.receipt_key, record)
            store.tell(self.named("applied"), copy.model_dump_json(), keep_s=99)


def outcomes(now: int) -> dict[str, tuple[State, Outcome]]:
    """How an apply may end, by the name of its page."""
    nginx = ObjectOutcome(
        kind="Deployment", name="nginx", action=Action.UPDATE, result=Written.WRITTEN
    )
    config = ObjectOutcome(
        kind="ConfigMap", name="nginx-conf", action=Action.UPDATE, result=Written.WRITTEN
    )
    refused = ObjectOutcome(
        kind="ConfigMap",
        name="nginx-conf",
        action=Action.UPDATE,
        result=Written.NOT_TRIED,
        message="an object before it was refused",
    )
    times = {"applied_at": now - 40, "finished_at": now - 10}
    rolls = Rollout(
        deployment="nginx", verdict=Verdict.PROGRESSING, desired=4, updated=3, ready=2, available=2
    )
    complete = rolls.model_copy(
        update={"verdict": Verdict.COMPLETE, "updated": 4, "ready": 4, "available": 4}
    )
    failed = rolls.model_copy(
        update={"verdict": Verdict.FAILED, "message": "Progress deadline exceeded."}
    )
    crash = Note(
        code="crash_loop",
        message="Pod nginx-7d9c5 restarts again and again: container nginx exits with 1.",
        severity="critical",
    )
    return {
        "applying": (State.APPLYING, Outcome(objects=(nginx, config), rollouts=(rolls,))),
        "applied": (
            State.APPLIED,
            Outcome(objects=(nginx, config), rollouts=(complete,), **times),
        ),
        "rollout-failed": (
            State.APPLIED,
            Outcome(objects=(nginx, config), rollouts=(failed,), findings=(crash,), **times),
        ),
        "failed": (
            State.FAILED,
            Outcome(
                objects=(
                    nginx.model_copy(
                        update={"result": Written.REFUSED, "message": "409: it was changed"}
                    ),
                    refused,
                ),
                message="The API server refused a write.",
                code="conflict",
                **times,
            ),
        ),
        "stale-at-apply": (
            State.STALE,
            Outcome(
                objects=(),
                changed_since=("Deployment nginx: spec.replicas", "ConfigMap nginx-conf: deleted"),
                message="The cluster changed after the plan was made.",
                code="plan_stale",
                **times,
            ),
        ),
    }
