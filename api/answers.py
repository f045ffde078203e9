"""The one table from our refusals and faults to MCP tool errors and HTTP statuses."""

from typing import Final

from mcp_types import CallToolResult, TextContent

from shared.errors import Fault, Refusal

CODE_META: Final = "infragate/code"
"""Where a tool error carries its stable code for programs; the text has it for models."""

_STATUSES: Final = {
    "redis_unavailable": 503,
    "no_worker": 503,
    "queue_full": 503,
    "worker_timeout": 504,
    "cluster_timeout": 504,
    "cluster_unreachable": 502,
    "cluster_throttled": 503,
}
_REFUSED: Final = {
    "no_such_plan": 404,
    "not_found": 404,
    "not_an_approver": 403,
    "four_eyes": 403,
    "form_token": 403,
    "already_decided": 409,
    "already_applying": 409,
    "plan_expired": 410,
    "challenge_expired": 410,
}


def refused(refusal: Refusal) -> CallToolResult:
    """Returns a refusal as a tool error: the message, its code, and where the trouble is."""
    details = "".join(f"\n{key}: {value}" for key, value in refusal.details.items())
    return _error(f"{refusal.message}\ncode: {refusal.code}{details}", refusal.code)


def failed(fault: Fault) -> CallToolResult:
    """Returns a fault as a tool error that says whether it is worth trying again."""
    again = f" Try again in {fault.retry_after} s." if fault.retry_after else ""
    return _error(f"{fault}{again}\ncode: {fault.code}", fault.code)


def crashed(incident: str) -> CallToolResult:
    """Returns the error for what should not happen; the log has the rest under `incident`."""
    return _error(
        f"Something went wrong on our side; the operator can find it as {incident}.\n"
        "code: internal_fault",
        "internal_fault",
    )


def status_of_fault(fault: Fault) -> int:
    """Returns the HTTP status of a fault."""
    return _STATUSES.get(fault.code, 500)


def status_of_refusal(refusal: Refusal) -> int:
    """Returns the HTTP status of a refusal."""
    return _REFUSED.get(refusal.code, 400)


def _error(text: str, code: str) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)], is_error=True, _meta={CODE_META: code}
    )
