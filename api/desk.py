"""What an agent may do: read, request, apply. Each refusal is decided here or in a worker.

Holds no state and no credentials. Everything it knows of a plan it reads from Redis, and everything
that matters is checked again by a worker.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import ValidationError

from api.callers import Caller
from api.plan_ear import LOOK_S, PlanEar
from shared.errors import Fault, Refusal
from shared.manifests import JSON
from shared.messages import Announcement, ApplyCall, Call, PlanCall, Progress, ReadCall, Role
from shared.outcomes import Outcome
from shared.plans import MAX_REASON_LENGTH, Plan, Requester, State, state_at
from shared.questions import question_from
from shared.requests import request_refusal
from shared.results import Result, result_from
from shared.settings import GatewaySettings
from shared.stores.plan_records import MAX_ID_LENGTH, StoredPlan
from shared.stores.plan_view import PlanView
from shared.subjects import subject_of
from shared.tracing import current

MAX_WAIT_S: Final = 300

Report = Callable[[float, float, str], Awaitable[None]]


class Dispatch(Protocol):
    """The way to the workers."""

    async def call(
        self,
        cluster: str,
        call: Call,
        *,
        timeout_s: float,
        subject: str,
        on_progress: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> JSON | Refusal: ...

    async def workers(self) -> tuple[Announcement, ...]: ...

    async def cluster_for(self, namespace: str, role: Role) -> str | Refusal: ...

    async def allowed_namespaces(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A fresh plan; or, with `unchanged`, that the cluster already is as asked."""

    plan: Plan | None
    digest: str = ""
    url: str = ""
    unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a plan."""

    plan: Plan
    state: State
    url: str
    outcome: Outcome | None = None
    reason: str | None = None


class Desk:
    """The agents' side of the gateway."""

    def __init__(
        self,
        dispatch: Dispatch,
        plans: PlanView,
        ear: PlanEar,
        settings: GatewaySettings,
        clock: Callable[[], float],
    ) -> None:
        self._dispatch = dispatch
        self._plans = plans
        self._ear = ear
        self._settings = settings
        self._clock = clock

    async def namespaces(self) -> tuple[str, ...]:
        """Returns the namespaces that live workers serve; no Kubernetes call."""
        return await self._dispatch.allowed_namespaces()

    async def rules(self) -> dict[str, tuple[str, ...]]:
        """Returns what planners say is allowed in each namespace, in words.

        Raises:
            RedisUnavailable: nobody knows.
        """
        workers = await self._dispatch.workers()
        planners = (worker for worker in workers if Role.PLAN in worker.roles)
        return {name: said for worker in planners for name, said in worker.rules.items()}

    async def read(
        self, caller: Caller, tool: str, arguments: dict[str, object]
    ) -> Result | Refusal:
        """Answers one of the read tools that ask Kubernetes.

        Raises:
            Fault: nobody answered in time.
        """
        question = question_from(tool, arguments)
        if isinstance(question, Refusal):
            return question
        refusal = question.refusal(await self._dispatch.allowed_namespaces())
        if refusal is not None:
            return refusal
        cluster = await self._dispatch.cluster_for(question.namespace, Role.READ)
        if isinstance(cluster, Refusal):
            return cluster
        given = {name: value for name, value in arguments.items() if value is not None}
        answer = await self._dispatch.call(
            cluster,
            ReadCall.model_validate({"tool": tool, "arguments": given}),
            timeout_s=self._settings.read_timeout_s,
            subject=subject_of(caller),
        )
        return answer if isinstance(answer, Refusal) else _result(tool, answer)

    async def request(self, caller: Caller, wanted: dict[str, object]) -> Requested | Refusal:
        """Asks a planner for a plan; `wanted` are the fields of a `PlanCall` but the requester.

        Raises:
            Fault: nobody answered in time; a plan may have been made, and will expire.
        """
        call = _plan_call(caller, wanted)
        if isinstance(call, Refusal):
            return call
        refusal = request_refusal(call, await self._dispatch.allowed_namespaces())
        if refusal is not None:
            return refusal
        cluster = await self._dispatch.cluster_for(call.namespace, Role.PLAN)
        if isinstance(cluster, Refusal):
            return cluster
        answer = await self._dispatch.call(
            cluster, call, timeout_s=self._settings.plan_timeout_s, subject=subject_of(caller)
        )
        return answer if isinstance(answer, Refusal) else await self._requested(caller, answer)

    async def apply(
        self, caller: Caller, plan_id: str, *, wait_s: int, report: Report
    ) -> Applied | Refusal:
        """Applies an approved plan, after waiting at most `wait_s` seconds for the decision.

        Raises:
            Fault: nobody answered in time; calling again is safe and tells what happened.
        """
        if (refusal := wait_refusal(wait_s)) is not None:
            return refusal
        found = await self.decided(caller, plan_id, wait_s=wait_s, report=report)
        if isinstance(found, Refusal):
            return found
        stored, plan = found
        state = self._state(stored, plan)
        if state is State.PENDING:
            return Applied(plan=plan, state=state, url=self.url_of(plan.id))

        async def pass_on(progress: Progress) -> None:
            await report(progress.done, progress.total, progress.message)

        answer = await self._dispatch.call(
            plan.cluster.name,
            ApplyCall(plan_id=plan.id),
            timeout_s=self._settings.apply_timeout_s,
            subject=subject_of(caller),
            on_progress=pass_on,
        )
        return answer if isinstance(answer, Refusal) else self._applied(plan, answer)

    def url_of(self, plan_id: str) -> str:
        """Returns the page on which a person decides this plan."""
        return f"{self._settings.approval_base_url.rstrip('/')}/approvals/{plan_id}"

    def seen(self, stored: StoredPlan, plan: Plan) -> Applied:
        """Returns a plan as Redis tells it; before anything follows from it, workers check."""
        return Applied(plan=plan, state=self._state(stored, plan), url=self.url_of(plan.id))

    async def _requested(self, caller: Caller, answer: JSON) -> Requested | Refusal:
        if not isinstance(answer, dict) or answer.keys().isdisjoint({"no_change", "plan_id"}):
            raise Fault("A worker answered nonsense.")
        unchanged = answer.get("no_change")
        if isinstance(unchanged, list):
            return Requested(plan=None, unchanged=tuple(str(item) for item in unchanged))
        found = await self.own_plan(caller, str(answer.get("plan_id")))
        if isinstance(found, Refusal):
            return found
        stored, plan = found
        return Requested(plan=plan, digest=stored.sealed.digest, url=self.url_of(plan.id))

    async def decided(
        self, caller: Caller, plan_id: str, *, wait_s: int, report: Report
    ) -> tuple[StoredPlan, Plan] | Refusal:
        """Returns the plan as soon as it is no longer pending, or as it is when the time is up.

        Raises:
            RedisUnavailable: nobody knows.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        with self._ear.hearing([plan_id]) as heard:
            while True:
                found = await self.own_plan(caller, plan_id)
                waited = loop.time() - started
                if isinstance(found, Refusal) or waited >= wait_s:
                    return found
                if self._state(*found) is not State.PENDING:
                    return found
                told = f"Waiting for a person to decide: {self.url_of(plan_id)}"
                await report(waited, wait_s, told)
                lives_s = found[1].expires_at - self._clock()
                await heard.wait(min(LOOK_S, wait_s - waited, lives_s))

    async def own_plan(self, caller: Caller, plan_id: str) -> tuple[StoredPlan, Plan] | Refusal:
        """Returns the caller's plan; another's and an unknown one are the same.

        Raises:
            RedisUnavailable: nobody knows.
        """
        unknown = Refusal(code="no_such_plan", message="There is no such plan of yours.")
        if not plan_id or len(plan_id) > MAX_ID_LENGTH:
            return unknown
        stored = await self._plans.load(plan_id)
        plan = stored.plan() if stored is not None else unknown
        if stored is None or isinstance(plan, Refusal):
            return unknown
        if (plan.requester.iss, plan.requester.sub) != (caller.iss, caller.sub):
            return unknown
        current().note(plan=plan.id, namespace=plan.namespace)
        return stored, plan

    def _state(self, stored: StoredPlan, plan: Plan) -> State:
        return state_at(
            stored.state,
            now=int(self._clock()),
            expires_at=plan.expires_at,
            apply_before=plan.expires_at,
        )

    def _applied(self, plan: Plan, answer: JSON) -> Applied:
        if not isinstance(answer, dict):
            raise Fault("A worker answered nonsense.")
        outcome, reason = answer.get("outcome"), answer.get("reason")
        try:
            return Applied(
                plan=plan,
                state=State(str(answer.get("state"))),
                url=self.url_of(plan.id),
                outcome=Outcome.model_validate(outcome) if outcome else None,
                reason=str(reason) if reason else None,
            )
        except ValueError as error:
            raise Fault("A worker answered nonsense.") from error


def wait_refusal(wait_s: int) -> Refusal | None:
    """Returns why nobody waits that long, or None."""
    if 0 <= wait_s <= MAX_WAIT_S:
        return None
    told = f"WaitSeconds must be between 0 and {MAX_WAIT_S}."
    return Refusal(code="invalid_wait", message=told)


def _result(tool: str, answer: JSON) -> Result:
    try:
        return result_from(tool, answer)
    except ValidationError as error:
        raise Fault("A worker answered nonsense.") from error


def _plan_call(caller: Caller, wanted: dict[str, object]) -> PlanCall | Refusal:
    requester = Requester(
        iss=caller.iss, sub=caller.sub, client_id=caller.client_id, assurance="gateway-asserted"
    )
    try:
        return PlanCall.model_validate({**wanted, "requester": requester})
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors(include_input=False)}
        if wrong == {"reason"}:
            message = f"Reason may have at most {MAX_REASON_LENGTH} characters."
            return Refusal(code="reason_too_long", message=message)
        fields = ", ".join(sorted(wrong))
        return Refusal(code="invalid_arguments", message=f"Not acceptable: {fields}.")
