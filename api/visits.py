"""Approvers' terminals sign in: an ID token of their own client becomes a session for looking.

No cookies: a session is known by a bearer that the terminal sends in `Authorization`, which no page
of another origin can make a browser send. Nothing is approved by it.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Final

from starlette.datastructures import Headers

from api.id_tokens import RemoteKeys, claims_of
from shared.approvals import check_id_token_claims, groups_in
from shared.errors import Refusal
from shared.plans import Identity
from shared.stores.logins import LoginStore, Session

MAX_SUBJECT: Final = 255
"""OpenID Connect Core, 2."""
_KIND: Final = "terminal:"
"""In front of a bearer in the store, so that neither it nor a cookie passes for the other."""


class Visits:
    """Who is signed in from a terminal. `now` answers epoch seconds."""

    def __init__(
        self,
        *,
        store: LoginStore,
        keys: RemoteKeys,
        issuer: str,
        client_id: str,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._keys = keys
        self._issuer = issuer
        self._client_id = client_id
        self._now = now

    async def begin(self, headers: Headers) -> str | Refusal:
        """Returns the bearer of a new session for whom the ID token in `Authorization` names.

        Raises:
            RedisUnavailable, KeysUnavailable: it cannot begin.
        """
        claims = await self._claims(_bearer(headers))
        if isinstance(claims, Refusal):
            return claims
        session = Session(
            identity=Identity(iss=self._issuer, sub=str(claims["sub"])),
            name="",
            started_at=self._now(),
            groups=tuple(sorted(groups_in(claims))),
        )
        bearer = secrets.token_urlsafe(32)
        await self._store.start(_KIND + bearer, session)
        return bearer

    async def session(self, headers: Headers) -> Session | Refusal:
        """Returns the live session of the bearer in `Authorization`.

        Raises:
            RedisUnavailable: nobody can tell.
        """
        bearer = _bearer(headers)
        found = await self._store.load(_KIND + bearer, now=self._now()) if bearer else None
        return found or _not_signed_in()

    async def end(self, headers: Headers) -> None:
        """Ends the session of the bearer in `Authorization`.

        Raises:
            RedisUnavailable: it may live until it idles out.
        """
        await self._store.end(_KIND + _bearer(headers))

    async def _claims(self, token: str) -> Mapping[str, object] | Refusal:
        claims = await claims_of(token, self._keys)
        if isinstance(claims, Refusal):
            return _not_signed_in()
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
            return _not_signed_in()
        problem = check_id_token_claims(
            claims, issuer=self._issuer, client_id=self._client_id, now=self._now()
        )
        return problem or claims


def _bearer(headers: Headers) -> str:
    """The one bearer token; empty when there is none, or more than one."""
    sent = headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    return token if scheme.lower() == "bearer" else ""


def _not_signed_in() -> Refusal:
    return Refusal(code="not_signed_in", message="Sign in first, or again: there is no session.")
