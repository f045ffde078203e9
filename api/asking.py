"""Asking a client to open the approval page for its person: URL-mode elicitation, in both eras.

Nobody is asked for what their client did not declare. Agreeing means no more than that the page
was opened: what a person decides there is not said here, but found in the plan.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from shared.plans import Plan
from shared.untrusted import cleaned

QUESTION: Final = "approve"
"""Names the one question of a call."""

AGREEMENT_S: Final = 30.0
"""How long a call waits for somebody to agree; nobody may be there."""

Context = ServerRequestContext[Any, Any]


def can_open_pages(context: Context) -> bool:
    """Whether the client said that it can ask its person to open a page."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and elicitation.url is not None


def ends_the_call(context: Context) -> bool:
    """Whether a question is the end of a call, and the answer comes with the next one."""
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS


def question(plan: Plan, url: str) -> InputRequiredResult:
    """The end of a call of the newest revision: the client asks, then calls again."""
    asked = ElicitRequest(params=ElicitRequestURLParams(message=_message(plan), url=url))
    return InputRequiredResult(input_requests={QUESTION: asked}, request_state=plan.id)


def answered(params: CallToolRequestParams, plan_id: str) -> bool | None:
    """Whether the person agreed to open this plan's page; None if they were not asked yet."""
    if params.request_state != plan_id:
        return None
    answer = (params.input_responses or {}).get(QUESTION)
    return isinstance(answer, ElicitResult) and answer.action == "accept"


async def agreed(
    context: Context, plan: Plan, url: str, *, until: Callable[[], Awaitable[object]]
) -> str | None:
    """Asks in the middle of a call of the handshake era whether the page may be opened.

    Returns the question's id if so. Returns None as soon as `until` returns, or after a while: then
    the client is told to stop asking.
    """
    question_id = secrets.token_urlsafe(12)
    agreement = False

    async def ask(done: anyio.CancelScope) -> None:
        nonlocal agreement
        try:
            answer = await context.session.elicit_url(
                _message(plan), url, question_id, related_request_id=context.request_id
            )
            agreement = answer.action == "accept"
        except (MCPError, ValidationError):  # it cannot, after all
            agreement = False
        done.cancel()

    async def look(done: anyio.CancelScope) -> None:
        await until()
        done.cancel()

    with anyio.move_on_after(AGREEMENT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, tasks.cancel_scope)
            tasks.start_soon(look, tasks.cancel_scope)
    return question_id if agreement else None


async def no_longer(context: Context, question_id: str) -> None:
    """Tells a client of the handshake era that what it was asked for has happened."""
    await context.session.send_elicit_complete(question_id, related_request_id=context.request_id)


def _message(plan: Plan) -> str:
    return (
        f"InfraGate asks for a decision: {cleaned(plan.summary).text} "
        f"(risk {plan.risk.level}). The page shows the change and asks you to sign in."
    )
