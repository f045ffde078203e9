"""What a page says when something was not done: heading, advice and status for each code.

The reason itself comes with the refusal or fault; here stands what to do about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.errors import Fault, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error page. `retry_after` in seconds."""

    status: int
    title: str
    reason: str
    advice: str
    code: str
    who: bool = False
    """Says that the page should name who is signed in: another person could do it."""
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class _Page:
    status: int
    title: str
    advice: str


_ABOUT_WHO: Final = frozenset(
    {
        "not_an_approver",
        "four_eyes",
        "not_permitted",
        "proof_of_somebody_else",
        "login_session",
        "already_approved_by_you",
        "enrollment_of_somebody_else",
        "passkey_missing",
    }
)
_AGAIN: Final = "Go back to the plan and press Approve once more."
_SIGN_IN: Final = "Go back and sign in once more."
_ASK_ANEW: Final = (
    "Ask the agent to request the change anew; the new plan shows the cluster as it is."
)
_LOOK: Final = "Open the plan to see what became of it."
_OPERATOR: Final = (
    "Tell whoever runs this InfraGate; approvals are impossible until it is repaired."
)

_ENROLL: Final = "Ask the operator for a new code, and enter it whole."
_NO_PASSKEY = _Page(403, "The passkey does not prove this approval", _AGAIN)
_NOT_APPROVER = _Page(403, "You may not decide this", "Send the link to somebody who may, or ask "
    "whoever keeps the approver policy to add you.")  # fmt: skip
_NOT_PROVEN = _Page(403, "The sign-in does not prove this approval", _AGAIN)
_DECIDED = _Page(409, "This was decided already", _LOOK)
_OVER = _Page(409, "Too late", _ASK_ANEW)
_NO_ROLLBACK = _Page(
    409,
    "No rollback can be planned",
    "Nothing was changed. Ask an agent for the change that you want, on the cluster as it is now.",
)
_FOREIGN = _Page(
    403, "Nothing was done", "Open the plan from your inbox and use the buttons there."
)
_SIGN_IN_FAILED = _Page(400, "The sign-in did not work", _SIGN_IN)
_TAMPERED = _Page(500, "This plan cannot be trusted", "Do not approve it by any other way. "
    + _OPERATOR)  # fmt: skip
_NO_PROVIDER = _Page(
    503,
    "The identity provider does not answer",
    "Nothing was decided and nothing was lost. Looking at plans and denying them still works while "
    "you are signed in. Try again in a moment.",
)
_BUSY = _Page(503, "Not now", "Nothing was lost. Try again in a few seconds.")

_PAGES: Final[Mapping[str, _Page]] = {
    "page_not_found": _Page(404, "There is no such page", "Your inbox lists the plans there are."),
    "no_such_plan": _Page(404, "There is no such plan", "Compare the address with the agent's."),
    "not_an_approver": _NOT_APPROVER,
    "four_eyes": _Page(403, "Somebody else must approve this", "Send the link to a colleague."),
    "not_permitted": _NOT_APPROVER,
    "proof_of_somebody_else": _Page(
        403,
        "Somebody else signed in",
        "The approval was begun by one person and the sign-in was made by another. Sign in as the "
        "person who pressed Approve, or sign out here and begin as the other one.",
    ),
    "proof_not_fresh": _Page(403, "The sign-in was not fresh", _AGAIN),
    "passkey_missing": _Page(
        403,
        "You need a passkey",
        "Ask whoever keeps the approver policy for a code, and enroll one (at the inbox's end).",
    ),
    "passkey_not_awaited": _Page(409, "The approval took too long", _AGAIN),
    "enrollment_unreadable": _Page(400, "This is not the whole text", _ENROLL),
    "enrollment_expired": _Page(409, "The code has expired", _ENROLL),
    "enrollment_of_somebody_else": _Page(403, "The code is for somebody else", _ENROLL),
    "enrollment_elsewhere": _Page(400, "The code is for other pages", _ENROLL),
    "proof_replayed": _Page(409, "This sign-in was used before", _AGAIN),
    "proof_times": _Page(403, "The identity provider does not say when you signed in", _OPERATOR),
    "challenge_expired": _Page(409, "The approval took too long", _AGAIN),
    "statement_forged": _TAMPERED,
    "statement_of_another_plan": _TAMPERED,
    "seal_broken": _TAMPERED,
    "plan_unreadable": _TAMPERED,
    "plan_changed": _Page(409, "The plan is not the one you saw", _LOOK),
    "plan_expired": _OVER,
    "plan_stale": _OVER,
    "plan_superseded": _OVER,
    "already_decided": _DECIDED,
    "already_applying": _DECIDED,
    "already_approved_by_you": _Page(
        409, "You have approved this already", "Send the link to a colleague who may, too."
    ),
    "rollback_nothing": _NO_ROLLBACK,
    "rollback_overtaken": _NO_ROLLBACK,
    "rollback_too_early": _NO_ROLLBACK,
    "reason_too_long": _Page(422, "The reason is too long", "Go back and shorten it."),
    "namespace_not_typed": _Page(
        422, "The namespace was not confirmed", "Go back and type the namespace as it is written."
    ),
    "form_foreign": _FOREIGN,
    "form_token": _Page(
        403,
        "The page was too old",
        "Nothing was done: the form belongs to an earlier sign-in or to another page. Open the "
        "plan anew and use the buttons there.",
    ),
    "form_malformed": _Page(400, "Nothing was done", _FOREIGN.advice),
    "login_state": _SIGN_IN_FAILED,
    "login_session": _Page(403, "You are signed in as somebody else now", _AGAIN),
    "login_issuer": _SIGN_IN_FAILED,
    "login_declined": _Page(403, "The sign-in was not completed", _SIGN_IN),
    "login_spent": _SIGN_IN_FAILED,
    "login_not_believed": _Page(403, "The sign-in cannot be believed", _SIGN_IN),
    "redis_unavailable": _BUSY,
    "queue_full": _BUSY,
    "no_worker": _Page(
        503,
        "No worker is running",
        "Plans can be shown and decided only while the workers of their cluster run. "
        "Start them, or try again in a few seconds.",
    ),
    "clocks_differ": _Page(503, "The clocks of our machines differ", _OPERATOR),
    "worker_timeout": _Page(504, "The worker did not answer in time", _LOOK),
    "provider_unavailable": _NO_PROVIDER,
    "identity_provider_unavailable": _NO_PROVIDER,
    "provider_misfit": _Page(502, "The identity provider does not fit", _OPERATOR),
}


def of_refusal(refusal: Refusal) -> Problem:
    """Returns the page for a refusal; one that is not known here is a 403."""
    page = _PAGES.get(refusal.code) or _by_family(refusal.code)
    return Problem(
        status=page.status,
        title=page.title,
        reason=refusal.message,
        advice=page.advice,
        code=refusal.code,
        who=refusal.code in _ABOUT_WHO,
    )


def of_fault(fault: Fault) -> Problem:
    """Returns the page for a fault; one that is not known here is a 500."""
    page = _PAGES.get(fault.code, _Page(500, "Something of ours does not work", _OPERATOR))
    return Problem(
        status=page.status,
        title=page.title,
        reason=str(fault),
        advice=page.advice,
        code=fault.code,
        retry_after=fault.retry_after,
    )


def _by_family(code: str) -> _Page:
    if code.startswith("plan_"):
        return _DECIDED
    if code.startswith("passkey_"):
        return _NO_PASSKEY
    return (
        _NOT_PROVEN
        if code.startswith(("proof_", "token_"))
        else _Page(403, "This was refused", _LOOK)
    )
