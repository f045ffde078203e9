"""Whether a tool call would find a place in its queue, before anybody works on the request.

What it would have to pass until then (parsing, the SDK, a session in Redis) costs far more than a
refusal, and under too many calls that is what everybody waits for. Nothing is asked here: workers
and places are known to this replica. Whoever is let through may still find no place.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from api.admission import Admission
from api.callers import PLAN_TOOLS, READ_TOOLS, Caller
from api.metrics import Metrics
from shared.errors import QueueFull, RedisUnavailable
from shared.messages import Announcement, Role, queue
from shared.subjects import subject_of

Workers: TypeAlias = Callable[[], Awaitable[tuple[Announcement, ...]]]

_ROLES: Final = {
    **dict.fromkeys(READ_TOOLS - {"get_allowed_namespaces"}, Role.READ),
    **dict.fromkeys(PLAN_TOOLS, Role.PLAN),
}
"""Of the tools that go to a queue at once: an apply may wait for a person first, or need none."""


class QueueRoom:
    """Knows the queue of a tool call, and whether the caller has a place there."""

    def __init__(self, admission: Admission, workers: Workers, metrics: Metrics) -> None:
        self._admission = admission
        self._workers = workers
        self._metrics = metrics

    async def refusal(self, message: object, caller: Caller) -> QueueFull | None:
        """Returns why a message of JSON-RPC would find no place; None: it may, or needs none.

        A refusal is counted as the outcome of the call.
        """
        called = _called(message)
        if called is None:
            return None
        tool, namespace = called
        role = _ROLES[tool]
        try:
            live = await self._workers()  # nearly always known, and if not, the call asks anyway
        except RedisUnavailable:
            return None  # the tool says so
        clusters = {
            each.cluster for each in live if role in each.roles and namespace in each.namespaces
        }
        if len(clusters) != 1:
            return None  # the tool says what is wrong
        full = self._admission.missing(queue(clusters.pop(), role), subject_of(caller))
        if full is not None:
            self._metrics.called(tool, full.code, 0.0)
        return full


def _called(message: object) -> tuple[str, str] | None:
    """The tool and the namespace of a call that goes to a queue, or None."""
    match message:
        case {
            "method": "tools/call",
            "id": str() | int(),
            "params": {"name": str() as tool, "arguments": {"namespace": str() as namespace}},
        } if tool in _ROLES:
            return tool, namespace
    return None
