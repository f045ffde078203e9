"""Telling clients that something has happened to a plan: as an update of its resource.

Plans lie in Redis, so every replica finds out by looking, wherever a person has decided.
"""

import json
from collections.abc import Mapping
from typing import Final

import anyio
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated

from shared.errors import RedisUnavailable
from shared.stores.mcp_events import STANDALONE, McpEventLog
from shared.stores.mcp_follows import McpFollowStore
from shared.stores.plans import PlanView

LOOK_S: Final = 1.0
"""Between two looks at plans that somebody follows; one round trip for all of one client."""

_SCHEME: Final = "plan://"


def plan_uri(plan_id: str) -> str:
    """The resource that a plan is."""
    return f"{_SCHEME}{plan_id}"


def plan_id_in(uri: str) -> str | None:
    """The plan that a resource is; None if it is none."""
    return uri.removeprefix(_SCHEME) if uri.startswith(_SCHEME) else None


class SessionFollower:
    """Tells a session of the handshake era, on its own stream, what its plans have become."""

    def __init__(self, follows: McpFollowStore, plans: PlanView, log: McpEventLog) -> None:
        self._follows = follows
        self._plans = plans
        self._log = log

    async def look(self, session_id: str) -> bool:
        """Adds to the session's stream what is new; says whether it follows anything at all.

        Raises:
            RedisUnavailable: nobody knows.
        """
        known = await self._follows.followed(session_id)
        if not known:
            return False
        changed = _changed(known, await self._plans.states(sorted(known)))
        for plan_id in changed:
            await self._log.append(session_id, STANDALONE, _updated(plan_id), last=False)
        if changed:
            await self._follows.told(session_id, changed)
        return True


async def watch(plans: PlanView, plan_ids: list[str], bus: InMemorySubscriptionBus) -> None:
    """Publishes on `bus` what becomes of these plans, until it is cancelled."""
    known: Mapping[str, str] = {}
    while True:
        try:
            states = await plans.states(plan_ids)
        except RedisUnavailable:  # it comes back
            await anyio.sleep(LOOK_S)
            continue
        for plan_id in _changed(known, states) if known else {}:
            await bus.publish(ResourceUpdated(uri=plan_uri(plan_id)))
        known = states
        await anyio.sleep(LOOK_S)


def _changed(known: Mapping[str, str], states: Mapping[str, str]) -> dict[str, str]:
    return {plan: state for plan, state in states.items() if known.get(plan) != state}


def _updated(plan_id: str) -> str:
    params = {"uri": plan_uri(plan_id)}
    method = "notifications/resources/updated"
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
