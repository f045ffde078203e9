"""The keys under which clients carry the state of a call that waits for a person.

In the newest revision (2026-07-28) the answer "ask the person first" ends the call, and the client
calls again with what it was given. Every replica must be able to open what any of them has sealed.
"""

from pathlib import Path
from typing import Final

from mcp.server.request_state import RequestStateSecurity

from shared.errors import BadConfiguration
from shared.plans import PLAN_LIFETIME_S

MIN_CHARACTERS: Final = 32


def request_state_security(path: Path | None, *, audience: str) -> RequestStateSecurity:
    """Returns what seals and opens such state, as long as a plan can wait.

    Each line of the file is a secret: the first one seals, all of them open. None means a key of
    this process alone, which is enough for one replica.

    Raises:
        BadConfiguration: the file cannot be read or holds no usable secret.
    """
    if path is None:
        return RequestStateSecurity.ephemeral(ttl=PLAN_LIFETIME_S, audience=audience)
    try:
        return RequestStateSecurity(keys=_secrets(path), ttl=PLAN_LIFETIME_S, audience=audience)
    except (OSError, ValueError):
        raise BadConfiguration(
            f"INFRA_GATE_STATE_KEY_FILE: {path} must hold secrets of at least {MIN_CHARACTERS} "
            "characters, one on each line, none of them twice."
        ) from None


def _secrets(path: Path) -> list[str]:
    lines = path.read_text("ascii").splitlines()
    return [line.strip() for line in lines if line.strip()]
