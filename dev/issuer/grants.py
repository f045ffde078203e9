"""The two grants of the token endpoint: a code and a refresh token, of a known client."""

from collections.abc import Mapping
from typing import Any

from dev.issuer.clients import Client
from dev.issuer.codes import Codes
from dev.issuer.refresh import Family, RefreshTokens
from dev.issuer.tokens import ACCESS_LIFETIME, Tokens
from shared.errors import Refusal

Answer = dict[str, Any]


class Grants:
    """Exchanges what a client holds for tokens."""

    def __init__(self, codes: Codes, refresh: RefreshTokens, tokens: Tokens) -> None:
        self._codes = codes
        self._refresh = refresh
        self._tokens = tokens

    def exchange(self, form: Mapping[str, str], client: Client, key: str = "") -> Answer | Refusal:
        """The token answer (RFC 6749 §5.1) for `form`.

        With the thumbprint of a `key` that the client proved to hold, tokens are bound to it.
        """
        if client.bound_tokens_only and not key:
            why = "this client registered to show a proof (DPoP) with each token request"
            return Refusal(code="invalid_dpop_proof", message=why)
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form, client, key)
            case "refresh_token" if "refresh_token" in client.grant_types:
                return self._by_refresh_token(form, client, key)
            case "refresh_token":
                why = "this client did not register the refresh_token grant"
                return Refusal(code="unauthorized_client", message=why)
            case _:
                why = "grant_type must be authorization_code or refresh_token"
                return Refusal(code="unsupported_grant_type", message=why)

    def _by_code(self, form: Mapping[str, str], client: Client, key: str) -> Answer | Refusal:
        """Refresh tokens of a client with keys of its own need no other (RFC 9449 §5)."""
        grant = self._codes.redeem(form, client)
        if isinstance(grant, Refusal):
            return grant
        family = Family(
            client_id=client.client_id,
            session=grant.session,
            scope=grant.request.scope,
            resource=grant.request.resource,
            key="" if client.jwks else key,
        )
        answer = self._answer(family, family.scope, key, nonce=grant.request.nonce)
        if "refresh_token" not in client.grant_types:
            return answer
        family_id, token = self._refresh.start(family)
        self._codes.remember(form["code"], family_id)
        return answer | {"refresh_token": token}

    def _by_refresh_token(
        self, form: Mapping[str, str], client: Client, key: str
    ) -> Answer | Refusal:
        """A renewed ID token tells of the old login: its `auth_time`, no nonce (OIDC §12.2)."""
        found = self._refresh.find(form.get("refresh_token", ""), client.client_id)
        if isinstance(found, Refusal):
            return found
        family_id, family = found
        if family.key and family.key != key:
            why = "the refresh token is bound to a key; send a proof of that key (DPoP)"
            return Refusal(code="invalid_grant", message=why)
        scope = tuple(form.get("scope", " ".join(family.scope)).split())
        if not scope or not set(scope) <= set(family.scope):
            why = "a refresh can only narrow the scope"
            return Refusal(code="invalid_scope", message=why)
        if form.get("resource", family.resource) != family.resource:
            why = "the refresh token is for another resource"
            return Refusal(code="invalid_target", message=why)
        token = self._refresh.replace(family_id, family)
        return self._answer(family, scope, key, nonce=None) | {"refresh_token": token}

    def _answer(
        self, family: Family, scope: tuple[str, ...], key: str, *, nonce: str | None
    ) -> Answer:
        access_token = self._tokens.access_token(
            subject=family.session.subject,
            client_id=family.client_id,
            scope=scope,
            resource=family.resource,
            key=key,
        )
        answer = {
            "access_token": access_token,
            "token_type": "DPoP" if key else "Bearer",
            "expires_in": ACCESS_LIFETIME,
            "scope": " ".join(scope),
        }
        if "openid" not in scope:
            return answer
        id_token = self._tokens.id_token(
            session=family.session,
            client_id=family.client_id,
            nonce=nonce,
            access_token=access_token,
        )
        return answer | {"id_token": id_token}
