"""Completing the arguments of prompts: names that are there, from the workers, bounded."""

from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp_types import CompleteRequestParams, CompleteResult, Completion, PromptReference

from api.callers import Caller, current, may
from api.desk import Desk
from shared.errors import Fault
from shared.results import DiagnosticsResult, StatusResult

MAX_VALUES: Final = 100
MAX_LISTED: Final = 500
"""Of each kind; what `get_k8s_status` answers at most."""

_NEEDED: Final = "get_k8s_status"
"""Whoever may not call this learns no names either."""

Context = ServerRequestContext[Any, Any]


class Completer:
    """Knows what may stand in an argument."""

    def __init__(self, desk: Desk, full_scope: str) -> None:
        self._desk = desk
        self._full_scope = full_scope

    async def complete(self, _context: Context, params: CompleteRequestParams) -> CompleteResult:
        """Answers `completion/complete`; nothing is offered where nothing is known."""
        caller = current()
        if caller is None or not may(caller, _NEEDED, self._full_scope):
            return _offered([], "")
        if not isinstance(params.ref, PromptReference):
            return _offered([], "")
        chosen = (params.context.arguments or {}) if params.context else {}
        try:
            names = await self._names(caller, params.argument.name, chosen)
        except Fault:  # somebody is typing: no list is better than an error
            names = []
        return _offered(names, params.argument.value)

    async def _names(self, caller: Caller, argument: str, chosen: dict[str, str]) -> list[str]:
        if argument == "namespace":
            return list(await self._desk.namespaces())
        namespace = {"namespace": chosen.get("namespace", "")}
        if argument in ("deployment", "pod"):
            wanted = {**namespace, "limit": MAX_LISTED}
            status = await self._desk.read(caller, "get_k8s_status", wanted)
            if not isinstance(status, StatusResult):
                return []
            table = status.deployments if argument == "deployment" else status.pods
            return [row.name for row in table.items]
        if argument == "container" and chosen.get("pod"):
            wanted = {**namespace, "podName": chosen["pod"], "limit": 1}
            found = await self._desk.read(caller, "get_pod_diagnostics", wanted)
            if isinstance(found, DiagnosticsResult):
                return [row.name for row in found.resource.containers or ()]
        return []


def _offered(names: list[str], typed: str) -> CompleteResult:
    fitting = sorted(name for name in names if name.startswith(typed))
    return CompleteResult(
        completion=Completion(
            values=fitting[:MAX_VALUES],
            total=len(fitting),
            has_more=len(fitting) > MAX_VALUES,
        )
    )
