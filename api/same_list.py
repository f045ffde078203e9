"""Answers `tools/list` with what was answered before: it is the same for everybody.

Making the list anew for each client, and checking it against the protocol's schema, is most of what
such a request costs the gateway. One answer is kept for each revision of the protocol.
"""

from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

_METHOD: Final = "tools/list"
_REVISIONS: Final = frozenset((*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS))


class SameList:
    """A middleware of the SDK's server."""

    def __init__(self) -> None:
        self._known: dict[str, HandlerResult] = {}

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Passes on what is no plain request for the list; its errors are the SDK's to tell."""
        version = ctx.protocol_version
        if not _is_plain(ctx) or version not in _REVISIONS:
            return await call_next(ctx)
        known = self._known.get(version)
        if known is None:
            known = self._known[version] = await call_next(ctx)
        return known


def _is_plain(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether it asks for the list and says nothing else that could be wrong."""
    if ctx.method != _METHOD or ctx.request_id is None:
        return False
    if not ctx.params:
        return True
    return ctx.params.keys() == {"_meta"} and ctx.meta is not None
