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

    def exchange(self, form: Mapping[str, str], client: Client) -> Answer | Refusal:
        """The token answer (RFC 6749 §5.1) for `form`."""
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form, client)
            case "refresh_token" if "refresh_token" in client.grant_types:
                return self._by_refresh_token(form, client)
            case "refresh_token":
                why = "this client did not register the refresh_token grant"
                return Refusal(code="unauthorized_client", message=why)
            case _:
                why = "grant_type must be authorization_code or refresh_token"
                return Refusal(code="unsupported_grant_type", message=why)

    def _by_code(self, form: Mapping[str, str], client: Client) -> Answer | Refusal:
        grant = self._codes.redeem(form, client)
        if isinstance(grant, Refusal):
            return grant
        family = Family(
            client_id=client.client_id,
            session=grant.session,
            scope=grant.request.scope,
            resource=grant.request.resource,
        )
        answer = self._answer(family, family.scope, nonce=grant.request.nonce)
        if "refresh_token" not in client.grant_types:
            return answer
        family_id, token = self._refresh.start(family)
        self._codes.remember(form["code"], family_id)
        return answer | {"refresh_token": token}

    def _by_refresh_token(self, form: Mapping[str, str], client: Client) -> Answer | Refusal:
        """A renewed ID token tells of the old login: its `auth_time`, no nonce (OIDC §12.2)."""
        found = self._refresh.find(form.get("refresh_token", ""), client.client_id)
        if isinstance(found, Refusal):
            return found
        family_id, family = found
        scope = tuple(form.get("scope", " ".join(family.scope)).split())
        if not scope or not set(scope) <= set(family.scope):
            why = "a refresh can only narrow the scope"
            return Refusal(code="invalid_scope", message=why)
        if form.get("resource", family.resource) != family.resource:
            why = "the refresh token is for another resource"
            return Refusal(code="invalid_target", message=why)
        token = self._refresh.replace(family_id, family)
        return self._answer(family, scope, nonce=None) | {"refresh_token": token}

    def _answer(self, family: Family, scope: tuple[str, ...], *, nonce: str | None) -> Answer:
        access_token = self._tokens.access_token(
            subject=family.session.subject,
            client_id=family.client_id,
            scope=scope,
            resource=family.resource,
        )
        answer = {
            "access_token": access_token,
            "token_type": "Bearer",
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
