"""Refresh tokens: one family per login, each token good once (RFC 9700 §4.14.2)."""

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dev.issuer.files import read_json, write_json
from dev.issuer.sessions import Session
from dev.issuer.settings import Clock
from shared.errors import Refusal

LIFETIME = 30 * 24 * 3600
"""Seconds a family lives after its last use."""
MAX_FAMILIES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What all tokens that descend from one code stand for, and the digest of the only good one.

    With the thumbprint of a `key` they are good only beside a proof of it.
    """

    client_id: str
    session: Session
    scope: tuple[str, ...]
    resource: str | None
    key: str = ""
    current: str = ""
    used_at: float = 0


class RefreshTokens:
    """Families by id; a token is `<family id>.<secret>`, and only digests are kept."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._families = {key: _thaw(raw) for key, raw in read_json(path, {}).items()}

    def start(self, family: Family) -> tuple[str, str]:
        """A new family; answers its id and its first token."""
        self._drop_old()
        family_id = secrets.token_urlsafe(16)
        return family_id, self.replace(family_id, family)

    def find(self, token: str, client_id: str) -> tuple[str, Family] | Refusal:
        """The family of `token`, with its id; the token stays good until `replace`.

        A token that was replaced ends its whole family: thief and owner cannot be told apart.
        """
        family_id, _, secret = token.partition(".")
        family = self._families.get(family_id)
        if family is None or family.client_id != client_id or self._is_over(family):
            return _refused("the refresh token is unknown or expired; sign in again")
        if not hmac.compare_digest(_digest(secret), family.current):
            self.revoke(family_id)
            return _refused("the refresh token was used before; everything from it is revoked")
        return family_id, family

    def revoke(self, family_id: str | None) -> None:
        if family_id and self._families.pop(family_id, None):
            self._save()

    def replace(self, family_id: str, family: Family) -> str:
        """A new token of the family, the only one that is good from now on."""
        secret = secrets.token_urlsafe(32)
        used = replace(family, current=_digest(secret), used_at=self._clock())
        self._families.pop(family_id, None)  # the order is by last use
        self._families[family_id] = used
        self._save()
        return f"{family_id}.{secret}"

    def _is_over(self, family: Family) -> bool:
        return self._clock() >= family.used_at + LIFETIME

    def _drop_old(self) -> None:
        live = [(key, one) for key, one in self._families.items() if not self._is_over(one)]
        self._families = dict(live[-MAX_FAMILIES + 1 :])

    def _save(self) -> None:
        write_json(self._path, {key: asdict(one) for key, one in self._families.items()})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _thaw(raw: dict[str, Any]) -> Family:
    fields = raw | {"session": Session(**raw["session"]), "scope": tuple(raw["scope"])}
    return Family(**fields)


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_grant", message=why)
