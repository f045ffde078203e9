"""Where the pages for people are, and which addresses a person may be sent on to."""

import re
from typing import Final

HOME: Final = "/approvals"
SIGN_IN: Final = f"{HOME}/login"
SIGN_OUT: Final = f"{HOME}/logout"
CALLBACK: Final = f"{HOME}/callback"
ENROLL: Final = f"{HOME}/passkeys"
ENROLLED: Final = f"{ENROLL}/made"
HISTORY: Final = f"{HOME}/history"
EVENTS: Final = f"{HOME}/events"
_OURS: Final = re.compile(r"/approvals(?:/[A-Za-z0-9_-]{1,64})?")


def plan_path(plan_id: str, *below: str) -> str:
    """Returns the address of a plan's page, or of a page below it."""
    return "/".join((HOME, plan_id, *below))


def safe_path(path: str) -> str:
    """Returns `path` if it is a page of ours, else the inbox: nobody is sent elsewhere."""
    return path if _OURS.fullmatch(path) else HOME
