"""What workers reply to one call: progress, and at last an answer, a refusal or a fault."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from api.worker_faults import fault_of
from shared.errors import Refusal
from shared.manifests import JSON
from shared.messages import Answer, Failed, Progress, Refused

Reply: TypeAlias = Answer | Refused | Failed | Progress
OnProgress: TypeAlias = Callable[[Progress], Awaitable[None]]


async def verdict(replies: asyncio.Queue[Reply], on_progress: OnProgress | None) -> JSON | Refusal:
    """Waits for a call's last reply, and tells its progress meanwhile.

    Raises:
        Fault: what the worker said that went wrong there.
    """
    while True:
        reply = await replies.get()
        if isinstance(reply, Progress):
            if on_progress is not None:
                await on_progress(reply)
        elif isinstance(reply, Refused):
            return Refusal(code=reply.code, message=reply.message, details=reply.details)
        elif isinstance(reply, Failed):
            raise fault_of(reply)
        else:
            return reply.body
