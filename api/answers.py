"""The one table from our refusals and faults to MCP tool errors and HTTP statuses."""

from typing import Final

from mcp_types import CallToolResult, TextContent

from shared import request_ids
from shared.errors import Fault, Refusal

CODE_META: Final = "infragate/code"
"""Where a tool error carries its stable code for programs; the text has it for models."""

_STATUSES: Final = {
    "redis_unavailable": 503,
    "no_worker": 503,
    "queue_full": 503,
    "worker_timeout": 504,
    "clocks_differ": 503,
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
    return _error(f"{fault}{again}\ncode: {fault.code}{_found_as()}", fault.code)


def crashed() -> CallToolResult:
    """Returns the error for what should not happen; the log has more."""
    told = f"Something went wrong on our side.\ncode: internal_fault{_found_as()}"
    return _error(told, "internal_fault")


def status_of_fault(fault: Fault) -> int:
    """Returns the HTTP status of a fault."""
    return _STATUSES.get(fault.code, 500)


def status_of_refusal(refusal: Refusal) -> int:
    """Returns the HTTP status of a refusal."""
    return _REFUSED.get(refusal.code, 400)


def _found_as() -> str:
    """By what an operator finds the call in the logs."""
    request = request_ids.current()
    return f"\nrequest: {request}" if request else ""


def _error(text: str, code: str) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)], is_error=True, _meta={CODE_META: code}
    )
