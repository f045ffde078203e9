"""Who is speaking, with which scopes, and which tool needs which; no tokens, no HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

FULL_SCOPE: Final = "mcp:tools"
"""Everything; `.read`, `.plan` and `.apply` are its parts."""

STATIC_ISSUER: Final = "urn:infragate:static-bearer"
"""The issuer of callers that showed the static token of a local demo: no identity provider's."""

READ_TOOLS: Final = frozenset(
    {
        "get_allowed_namespaces",
        "get_k8s_status",
        "get_k8s_events",
        "get_pod_logs",
        "get_k8s_resource",
        "get_deployment_diagnostics",
        "get_pod_diagnostics",
        "get_service_diagnostics",
    }
)
PLAN_TOOLS: Final = frozenset(
    {
        "request_apply_manifest",
        "request_delete_manifest",
        "request_scale_deployment",
        "request_restart_deployment",
        "request_set_deployment_image",
    }
)
APPLY_TOOLS: Final = frozenset({"apply_approved_plan"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody whose token was verified.

    (`iss`, `sub`) is who, `client_id` the program they use. `token_digest` names the token in logs
    without being one: the first 16 hex digits of its SHA-256. `expires_at` is in seconds since the
    epoch, None for the static token of a local demo. `key_thumbprint` (RFC 7638) is that of the key
    to which the token was bound; empty for a bearer token.
    """

    iss: str
    sub: str
    client_id: str
    scopes: frozenset[str]
    token_digest: str
    expires_at: int | None
    is_static: bool = False
    key_thumbprint: str = ""


_current: ContextVar[Caller | None] = ContextVar("infragate_caller", default=None)


def current() -> Caller | None:
    """Who sent the request that is being served; None outside of one."""
    return _current.get()


@contextmanager
def speaking_as(caller: Caller) -> Iterator[None]:
    """While this lasts, `current` answers this caller, also in tasks that are started meanwhile."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)


def scope_for(tool: str, full: str = FULL_SCOPE) -> str:
    """The scope that suffices for a tool; a tool that is not known needs everything."""
    if tool in READ_TOOLS:
        return f"{full}.read"
    if tool in PLAN_TOOLS:
        return f"{full}.plan"
    if tool in APPLY_TOOLS:
        return f"{full}.apply"
    return full


def may(caller: Caller, tool: str, full: str = FULL_SCOPE) -> bool:
    """Whether the caller's scopes cover this tool."""
    return not caller.scopes.isdisjoint({full, scope_for(tool, full)})


def may_connect(caller: Caller, full: str = FULL_SCOPE) -> bool:
    """Whether the caller has any scope of this gateway at all."""
    return not caller.scopes.isdisjoint(all_scopes(full))


def all_scopes(full: str = FULL_SCOPE) -> tuple[str, ...]:
    """Every scope there is, the broadest first."""
    return (full, f"{full}.read", f"{full}.plan", f"{full}.apply")


def scopes_to_ask_for(caller: Caller, tools: frozenset[str], full: str = FULL_SCOPE) -> str:
    """What a client should ask for to use these tools too, as an OAuth scope string.

    It includes what the caller has, since a client replaces its token by the new one.
    """
    needed = {scope_for(tool, full) for tool in tools}
    wanted = needed | (caller.scopes & set(all_scopes(full)))
    return " ".join(scope for scope in all_scopes(full) if scope in wanted)
