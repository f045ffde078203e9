"""A token for curl, asked of a running development issuer. The issuer's own side is `shortcut`."""

from pathlib import Path
from typing import ClassVar

import httpx2

from dev.issuer.shortcut import SECRET_FILE
from shared.errors import Fault

_TIMEOUT = 5.0


class NoToken(Fault):
    """The development issuer is not running, not this one, or does not grant what was asked."""

    code: ClassVar[str] = "no_token"


def mint_token(
    issuer_url: str,
    state_dir: Path | str,
    subject: str = "dev-requester",
    scope: str = "mcp:tools",
    resource: str | None = None,
) -> str:
    """An access token of an hour for a demo person, from the issuer at `issuer_url`.

    `state_dir` is the issuer's state folder: being able to read the secret in it is what permits
    this. `resource` is the audience, the issuer's first one when None.

    Raises:
        NoToken: with a sentence that says what to do.
    """
    path = Path(state_dir) / SECRET_FILE
    try:
        secret = path.read_text("ascii").strip()
    except OSError as error:
        raise NoToken(f"Cannot read {path}; start the development issuer first") from error
    wish = {"subject": subject, "scope": scope, "resource": resource}
    headers = {"authorization": f"Bearer {secret}"}
    try:
        answer = httpx2.post(
            f"{issuer_url}/_dev/token", json=wish, headers=headers, timeout=_TIMEOUT
        )
    except httpx2.HTTPError as error:
        raise NoToken(f"No development issuer answers at {issuer_url}") from error
    if answer.status_code != httpx2.codes.OK:
        raise NoToken(f"The issuer at {issuer_url} refuses: {_reason(answer)}")
    return str(answer.json()["access_token"])


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["error_description"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}; is this its state folder?"
