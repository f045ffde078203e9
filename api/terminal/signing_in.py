"""Signing in from a terminal: a public client, a loopback redirect, PKCE, and every answer checked.

ID tokens pass through and are neither printed nor logged nor kept.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

import httpx2

from api.terminal.asking import Answer, NoAnswer, ask
from shared import jose
from shared.approvals import AUTH_TIME_SKEW_S, check_id_token_claims
from shared.errors import Refusal
from shared.jose import KeySet
from shared.keysets import well_known_urls
from shared.loopback import Attempt, Listener, with_query
from shared.plans import Identity
from shared.settings import TerminalSettings, is_loopback

WAIT_S: Final = 300.0
MAX_CODE_LENGTH: Final = 4096
MAX_SUBJECT: Final = 255
"""OpenID Connect Core, 2."""

Show = Callable[[str], None]
"""Opens an address in a browser, or tells the person to."""


class RemoteKeys(Protocol):
    """The provider's published keys; blocks."""

    def keys_for(self, kid: str) -> KeySet:
        """Returns the key set in which `kid` should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who signed in. `token` is a bearer secret."""

    identity: Identity
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoints:
    authorization: str
    token: str
    par: str | None
    promises_iss: bool
    """RFC 9207: the provider always names itself in its responses."""


class SigningIn:
    """Logins at one provider. `clock` answers epoch seconds."""

    def __init__(
        self,
        settings: TerminalSettings,
        *,
        client: httpx2.Client,
        keys: RemoteKeys,
        show: Show,
        clock: Callable[[], float],
    ) -> None:
        self._issuer = settings.oauth_authority
        self._client_id = settings.client_id
        self._metadata = settings.oauth_metadata_address or well_known_urls(self._issuer)[0]
        self._client = client
        self._keys = keys
        self._show = show
        self._clock = clock

    def to_look(self) -> SignedIn | Refusal:
        """Returns who is signed in at the provider, after asking them there if nobody is.

        Raises:
            NoAnswer, KeysUnavailable: the provider does not answer.
        """
        return self._login(nonce=None)

    def afresh(self, nonce: str) -> SignedIn | Refusal:
        """Returns who signed in anew, by a login that commits to `nonce`.

        Raises:
            NoAnswer, KeysUnavailable: the provider does not answer.
        """
        return self._login(nonce=nonce)

    def _login(self, *, nonce: str | None) -> SignedIn | Refusal:
        endpoints = self._endpoints()
        if isinstance(endpoints, Refusal):
            return endpoints
        with Listener() as listener:
            attempt = Attempt.make(
                self._client_id,
                listener.redirect_uri,
                began=self._clock(),
                nonce=nonce,
                fresh=nonce is not None,
            )
            address = self._address(attempt, endpoints)
            if isinstance(address, Refusal):
                return address
            self._show(address)
            answer = listener.wait(attempt.state, self._clock, WAIT_S)
        code = _code_in(answer, issuer=self._issuer, promises_iss=endpoints.promises_iss)
        if isinstance(code, Refusal):
            return code
        token = self._redeemed(attempt, code, endpoints.token)
        return token if isinstance(token, Refusal) else self._believed(attempt, token)

    def _endpoints(self) -> _Endpoints | Refusal:
        told = self._ask(self._metadata).document
        if told.get("issuer") != self._issuer:
            return _misfit("it names itself otherwise than INFRA_GATE_OAUTH_AUTHORITY does")
        found = [
            told.get("authorization_endpoint"),
            told.get("token_endpoint"),
            told.get("pushed_authorization_request_endpoint"),
        ]
        authorization, token, par = (one if isinstance(one, str) else None for one in found)
        if authorization is None or token is None:
            return _misfit("its metadata lack an endpoint")
        if not all(self._is_secure(url) for url in (authorization, token, par) if url):
            return _misfit("it has an endpoint that is not https")
        promises_iss = told.get("authorization_response_iss_parameter_supported") is True
        return _Endpoints(
            authorization=authorization, token=token, par=par, promises_iss=promises_iss
        )

    def _is_secure(self, url: str) -> bool:
        local = is_loopback(url) and is_loopback(self._issuer)
        return url.startswith("https://") or (local and url.startswith("http://"))

    def _address(self, attempt: Attempt, endpoints: _Endpoints) -> str | Refusal:
        """What the browser opens: a reference to what was pushed, where that is possible."""
        if endpoints.par is None:
            return attempt.url(endpoints.authorization)
        pushed = self._ask(endpoints.par, form=attempt.parameters())
        reference = pushed.document.get("request_uri")
        if pushed.status != HTTPStatus.CREATED or not isinstance(reference, str):
            return _misfit(f"it does not take a pushed request (status {pushed.status})")
        query = {"client_id": self._client_id, "request_uri": reference}
        return with_query(endpoints.authorization, query)

    def _redeemed(self, attempt: Attempt, code: str, endpoint: str) -> str | Refusal:
        answer = self._ask(endpoint, form=attempt.redemption(code))
        token = answer.document.get("id_token")
        if answer.status == HTTPStatus.OK and isinstance(token, str):
            return token
        return _misfit(f"it gives no ID token for the code (status {answer.status})")

    def _believed(self, attempt: Attempt, token: str) -> SignedIn | Refusal:
        kid = jose.key_id(token)
        if isinstance(kid, Refusal):
            return kid
        verified = jose.verify(token, self._keys.keys_for(kid))
        if isinstance(verified, Refusal):
            return verified
        refusal = check_id_token_claims(
            verified.claims,
            issuer=self._issuer,
            client_id=self._client_id,
            now=int(self._clock()),
        ) or _answers_refusal(verified.claims, attempt)
        if refusal is not None:
            return refusal
        identity = Identity(iss=self._issuer, sub=str(verified.claims["sub"]))
        return SignedIn(identity=identity, token=token)

    def _ask(self, url: str, *, form: Mapping[str, str] | None = None) -> Answer:
        try:
            return ask(self._client, url, form=form)
        except NoAnswer as fault:
            raise NoAnswer(f"The identity provider: {fault}") from None


def _code_in(answer: Mapping[str, str] | None, *, issuer: str, promises_iss: bool) -> str | Refusal:
    """The code of an authorization response (RFC 9207; RFC 6749, 4.1.2)."""
    if answer is None:
        return Refusal(code="login_late", message=f"Nobody signed in within {WAIT_S:g} s.")
    named = answer.get("iss")
    if named != issuer and (named is not None or promises_iss):
        return Refusal(
            code="login_issuer",
            message="The answer to the sign-in came from another identity provider.",
        )
    code = answer.get("code", "")
    if "error" in answer or not 0 < len(code) <= MAX_CODE_LENGTH:
        return Refusal(
            code="login_declined",
            message="The identity provider reports that the sign-in was not completed.",
        )
    return code


def _answers_refusal(claims: Mapping[str, object], attempt: Attempt) -> Refusal | None:
    """Why an ID token is not the answer to our request."""
    nonce, subject = claims.get("nonce"), claims.get("sub")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), attempt.nonce.encode()
    ):
        return Refusal(code="login_nonce", message="The login does not commit to what it must.")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        return Refusal(code="login_subject", message="The login does not say whose it is.")
    signed_in = jose.numeric_date(claims.get("auth_time")) or 0
    if attempt.fresh and signed_in < attempt.began - AUTH_TIME_SKEW_S:
        return Refusal(code="login_not_fresh", message="The login is older than the approval.")
    return None


def _misfit(why: str) -> Refusal:
    return Refusal(code="provider_misfit", message=f"The identity provider does not fit: {why}.")
