"""Telling clients that something has happened to a plan: as an update of its resource.

Plans lie in Redis and workers say there which one moved, so every replica hears of it, wherever a
person has decided. That a plan expired is said by nobody: whoever follows one looks when it does.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import anyio
from mcp.server.subscriptions import ResourceUpdated, SubscriptionBus

from api.plan_ear import LOOK_S, PlanEar
from shared.errors import RedisUnavailable
from shared.plans import State, state_at
from shared.stores.mcp_events import STANDALONE, McpEventLog
from shared.stores.mcp_follows import Followed, McpFollowStore
from shared.stores.plan_view import PlanView

_SCHEME: Final = "plan://"
_CAN_EXPIRE: Final = frozenset({State.PENDING.value, State.APPROVED.value})

Clock = Callable[[], float]


def plan_uri(plan_id: str) -> str:
    """The resource that a plan is."""
    return f"{_SCHEME}{plan_id}"


def plan_id_in(uri: str) -> str | None:
    """The plan that a resource is; None if it is none."""
    return uri.removeprefix(_SCHEME) if uri.startswith(_SCHEME) else None


class SessionFollower:
    """Tells a session of the handshake era, on its own stream, what its plans have become."""

    def __init__(
        self, follows: McpFollowStore, plans: PlanView, log: McpEventLog, *, clock: Clock
    ) -> None:
        """`clock` gives epoch seconds."""
        self._follows = follows
        self._plans = plans
        self._log = log
        self._clock = clock

    async def look(self, session_id: str) -> Mapping[str, Followed]:
        """Adds to the session's stream what is new; returns what its client now knows.

        Raises:
            RedisUnavailable: nobody knows.
        """
        known = await self._follows.followed(session_id)
        if not known:
            return known
        changed = await _changed(known, self._plans, self._clock)
        for plan_id in changed:
            await self._log.append(session_id, STANDALONE, _updated(plan_id), last=False)
        if changed:
            await self._follows.told(session_id, changed)
        return {**known, **changed}

    def next_look_s(self, known: Mapping[str, Followed]) -> float:
        """Returns when to look again if nothing is heard: in time for whatever expires first."""
        return _next_look_s(known, self._clock)


async def watch(
    plans: PlanView,
    known: Mapping[str, Followed],
    bus: SubscriptionBus,
    ear: PlanEar,
    clock: Clock,
) -> None:
    """Publishes on `bus` what becomes of these plans from here on, until it is cancelled."""
    known = dict(known)
    with ear.hearing(known) as heard:
        while True:
            try:
                changed = await _changed(known, plans, clock)
            except RedisUnavailable:  # it comes back
                await anyio.sleep(1)
                continue
            for plan_id in changed:
                await bus.publish(ResourceUpdated(uri=plan_uri(plan_id)))
            known.update(changed)
            await heard.wait(_next_look_s(known, clock))


async def _changed(
    known: Mapping[str, Followed], plans: PlanView, clock: Clock
) -> dict[str, Followed]:
    """The plans of which something else is to be told than what is known."""
    states = await plans.states(sorted(known))
    now = int(clock())
    seen = {
        plan_id: replace(known[plan_id], state=_at(now, state, known[plan_id].expires_at))
        for plan_id, state in states.items()
    }
    return {plan_id: one for plan_id, one in seen.items() if one != known[plan_id]}


def _at(now: int, state: str, expires_at: int) -> str:
    if state not in _CAN_EXPIRE:
        return state
    return state_at(State(state), now=now, expires_at=expires_at, apply_before=expires_at).value


def _next_look_s(known: Mapping[str, Followed], clock: Clock) -> float:
    now = clock()
    expiries = (one.expires_at - now for one in known.values() if one.state in _CAN_EXPIRE)
    return max(0.0, min((LOOK_S, *expiries)))


def _updated(plan_id: str) -> str:
    params = {"uri": plan_uri(plan_id)}
    method = "notifications/resources/updated"
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
