"""People sign in: sessions for looking, and the fresh logins that approvals are made of.

Every login is begun by a POST, bound to the browser by a cookie of its own, and finished once. A
session lets somebody look and deny; it never approves. What a fresh login proves is judged by the
applier alone: its ID token only passes through here.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from api.cookies import Cookie, Cookies, Departure
from api.id_tokens import RemoteKeys, sign_in_claims
from api.paths import HOME, safe_path
from api.provider import MAX_CODE_LENGTH, LoginRequest, Provider
from api.waiting_proofs import WaitingProofs
from shared.approvals import SignedStatement, groups_in
from shared.digests import base64url
from shared.errors import Refusal
from shared.plans import Identity
from shared.stores.logins import (
    UNDER_WAY_S,
    Approving,
    LoginStore,
    Session,
    UnderWay,
    fingerprint,
)

MAX_NAME_LENGTH: Final = 80
MAX_STATE_LENGTH: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in for looking, and the secret of their session."""

    cookie: str
    session: Session

    @property
    def identity(self) -> Identity:
        """Who they are: issuer and subject, nothing else."""
        return self.session.identity

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the provider said they are in when they signed in."""
        return frozenset(self.session.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A login that came back to the browser that began it; `token` is a bearer secret."""

    login: UnderWay
    token: str
    spent: Cookie


class Login:
    """Begins and finishes logins, and knows who is signed in. `now` answers epoch seconds."""

    def __init__(
        self,
        *,
        store: LoginStore,
        provider: Provider,
        keys: RemoteKeys,
        base_url: str,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._provider = provider
        self._keys = keys
        self._now = now
        self._cookies = Cookies(base_url)
        self.origin = self._cookies.origin
        self.waiting_proofs = WaitingProofs(store, self._cookies, now)
        """Of logins that are over, while the passkey is awaited that counts beside them."""

    async def person(self, cookies: Mapping[str, str], *, idle: bool = False) -> Person | None:
        """Returns who is signed in in this browser, if anybody.

        With `idle` nobody did anything: a page that is only open keeps nobody signed in.

        Raises:
            RedisUnavailable: nobody can tell.
        """
        cookie = cookies.get(self._cookies.session("").name)
        load = self._store.look if idle else self._store.load
        session = await load(cookie, now=self._now()) if cookie else None
        return None if session is None or not cookie else Person(cookie=cookie, session=session)

    async def begin(self, next_path: str) -> Departure:
        """Begins a sign-in for looking, which ends on `next_path` if that is a page of ours.

        Raises:
            RedisUnavailable, ProviderUnavailable, ProviderMisfit: it cannot begin.
        """
        return await self._depart(nonce=_secret(), next_path=safe_path(next_path), approving=None)

    async def begin_approval(
        self, person: Person, plan_id: str, signed: SignedStatement
    ) -> Departure:
        """Begins the fresh login whose nonce commits to the applier's statement.

        Raises:
            RedisUnavailable, ProviderUnavailable, ProviderMisfit: it cannot begin.
        """
        approving = Approving(plan_id=plan_id, signed=signed, session=fingerprint(person.cookie))
        return await self._depart(
            nonce=signed.statement.nonce(), next_path=f"{HOME}/{plan_id}", approving=approving
        )

    async def arrive(
        self, query: Mapping[str, str], cookies: Mapping[str, str]
    ) -> Arrival | Refusal:
        """Finishes a login: the state is this browser's, the response is the provider's.

        Raises:
            RedisUnavailable, ProviderUnavailable, ProviderMisfit: it cannot be finished.
        """
        state = query.get("state", "")
        login = await self._take(state, cookies)
        if isinstance(login, Refusal):
            return login
        problem = await self._response_refusal(query)
        if problem is not None:
            return problem
        token = await self._provider.redeem(query["code"], verifier=login.verifier)
        if isinstance(token, Refusal):
            return token
        return Arrival(login=login, token=token, spent=self._cookies.state(state, "", max_age=0))

    async def sign_in(self, arrival: Arrival, cookies: Mapping[str, str]) -> Cookie | Refusal:
        """Starts a session for whom the ID token names, under a cookie that nobody knew before.

        Raises:
            RedisUnavailable: the person is not signed in.
        """
        config, now = self._provider.config, self._now()
        claims = await sign_in_claims(
            arrival.token,
            self._keys,
            issuer=config.issuer,
            client_id=config.client_id,
            nonce=arrival.login.nonce,
            now=now,
        )
        if isinstance(claims, Refusal):
            return claims
        session = Session(
            identity=Identity(iss=config.issuer, sub=str(claims["sub"])),
            name=_display_name(claims),
            started_at=now,
            groups=tuple(sorted(groups_in(claims))),
        )
        fresh = _secret()
        await self._store.start(fresh, session)
        if before := cookies.get(self._cookies.session("").name):
            await self._store.end(before)
        return self._cookies.session(fresh)

    async def sign_out(self, person: Person) -> Cookie:
        """Ends the session; returns the cookie that makes the browser forget it.

        Raises:
            RedisUnavailable: the session may live on until it idles out.
        """
        await self._store.end(person.cookie)
        return self._cookies.session("", max_age=0)

    async def _depart(
        self, *, nonce: str, next_path: str, approving: Approving | None
    ) -> Departure:
        state, browser, verifier = _secret(), _secret(), _secret()
        request = LoginRequest(
            state=state,
            nonce=nonce,
            challenge=base64url(hashlib.sha256(verifier.encode()).digest()),
            scope="openid profile" if approving is None else "openid",
            fresh=approving is not None,
        )
        login = UnderWay(
            browser=fingerprint(browser),
            verifier=verifier,
            nonce=nonce,
            next_path=next_path,
            approving=approving,
        )
        await self._store.remember(state, login)
        url = await self._provider.begin(request)
        return Departure(url=url, cookie=self._cookies.state(state, browser, max_age=UNDER_WAY_S))

    async def _take(self, state: str, cookies: Mapping[str, str]) -> UnderWay | Refusal:
        """Takes the login that `state` names, if this browser began it.

        The cookie is looked for first: who has none cannot even spend somebody else's login.
        """
        browser = cookies.get(self._cookies.state(state, "").name, "")
        if not browser or not 0 < len(state) <= MAX_STATE_LENGTH:
            return _not_begun_here()
        login = await self._store.take(state)
        if login is None or not hmac.compare_digest(login.browser, fingerprint(browser)):
            return _not_begun_here()
        if login.approving and login.approving.session != fingerprint(
            cookies.get(self._cookies.session("").name, "")
        ):
            return Refusal(
                code="login_session",
                message="You signed out or in as somebody else while approving; start it again.",
            )
        return login

    async def _response_refusal(self, query: Mapping[str, str]) -> Refusal | None:
        """Why an authorization response is not to be used (RFC 9207; RFC 6749, 4.1.2)."""
        metadata = await self._provider.metadata()
        issuer = query.get("iss")
        if issuer != self._provider.config.issuer and (issuer is not None or metadata.promises_iss):
            return Refusal(
                code="login_issuer",
                message="The answer to the sign-in came from another identity provider.",
            )
        if "error" in query or not 0 < len(query.get("code", "")) <= MAX_CODE_LENGTH:
            return Refusal(
                code="login_declined",
                message="The identity provider reports that the sign-in was not completed.",
            )
        return None


def _display_name(claims: Mapping[str, object]) -> str:
    name = claims.get("name")
    return name[:MAX_NAME_LENGTH] if isinstance(name, str) else ""


def _secret() -> str:
    """256 random bits, as cookies, states, nonces and PKCE verifiers need them."""
    return secrets.token_urlsafe(32)


def _not_begun_here() -> Refusal:
    return Refusal(
        code="login_state",
        message="This sign-in was not begun in this browser, or it was used up or took too long.",
    )
