"""The endpoints that programs call: registration, pushed requests, tokens, userinfo. JSON only."""

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dev.issuer.answers import oauth_error
from dev.issuer.assertions import ClientAuthentication
from dev.issuer.clients import Client, Clients
from dev.issuer.forms import Params, read_form, read_json_body
from dev.issuer.grants import Grants
from dev.issuer.par import LIFETIME as PAR_LIFETIME
from dev.issuer.par import PushedRequests
from dev.issuer.people import PEOPLE
from dev.issuer.proofs import Proofs
from dev.issuer.registration import MAX_BODY, describe, propose
from dev.issuer.tokens import Tokens
from shared.errors import Refusal

log = logging.getLogger("dev.issuer")


class Endpoints:
    """One method per endpoint; each refuses in the words of its RFC."""

    def __init__(
        self,
        *,
        clients: Clients,
        authentication: ClientAuthentication,
        pushed: PushedRequests,
        grants: Grants,
        proofs: Proofs,
        tokens: Tokens,
    ) -> None:
        self._clients = clients
        self._authentication = authentication
        self._pushed = pushed
        self._grants = grants
        self._proofs = proofs
        self._tokens = tokens

    async def register(self, http: Request) -> Response:
        """RFC 7591 §3."""
        metadata = await read_json_body(http, MAX_BODY)
        proposal = metadata if isinstance(metadata, Refusal) else propose(metadata)
        if isinstance(proposal, Refusal):
            return _refused("register", proposal)
        client = self._clients.register(proposal)
        log.info("registered %s as %s", client.name, client.client_id)
        return JSONResponse(describe(client), 201)

    async def push(self, http: Request) -> Response:
        """RFC 9126 §2."""
        come = await self._form_and_client(http)
        if isinstance(come, Refusal):
            return _refused("par", come)
        request_uri = self._pushed.push(*come)
        if isinstance(request_uri, Refusal):
            return _refused("par", request_uri)
        return JSONResponse({"request_uri": request_uri, "expires_in": PAR_LIFETIME}, 201)

    async def token(self, http: Request) -> Response:
        """RFC 6749 §3.2; with a proof of a key, RFC 9449 §5."""
        come = await self._form_and_client(http)
        if isinstance(come, Refusal):
            return _refused("token", come)
        key = self._proofs.key_of(http)
        answer = key if isinstance(key, Refusal) else self._grants.exchange(*come, key)
        if isinstance(answer, Refusal):
            return _refused("token", answer)
        return JSONResponse(answer, headers={"pragma": "no-cache"})

    async def userinfo(self, http: Request) -> Response:
        """OIDC Core §5.3; any of our access tokens with scope `openid` will do."""
        claims = self._shown(http)
        if isinstance(claims, Refusal):
            log.info("userinfo refused: %s (%s)", claims.code, claims.message)
            scheme = "Bearer" if claims.code == "invalid_token" else "DPoP"
            challenge = {"www-authenticate": f'{scheme} error="{claims.code}"'}
            return JSONResponse({"error": claims.code}, 401, challenge)
        if "openid" not in claims["scope"].split():
            challenge = {"www-authenticate": 'Bearer error="insufficient_scope", scope="openid"'}
            return JSONResponse({"error": "insufficient_scope"}, 403, challenge)
        return JSONResponse({"sub": claims["sub"], "name": PEOPLE[claims["sub"]].name})

    def _shown(self, http: Request) -> dict[str, Any] | Refusal:
        """The claims of the token that a request shows, one that is bound with a proof."""
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        claims = self._tokens.read_access_token(token)
        bound = claims.get("cnf", {}).get("jkt", "") if claims else ""
        if claims is None or scheme.lower() != ("dpop" if bound else "bearer"):
            return Refusal(code="invalid_token", message="no live token, or shown otherwise")
        key = self._proofs.key_of(http, token=token) if bound else ""
        if isinstance(key, Refusal):
            return key
        if key != bound:
            return Refusal(code="invalid_dpop_proof", message="no proof of the token's key")
        return claims

    async def _form_and_client(self, http: Request) -> tuple[Params, Client] | Refusal:
        form = await read_form(http)
        if isinstance(form, Refusal):
            return form
        client = self._authentication.authenticate(form, basic="authorization" in http.headers)
        return client if isinstance(client, Refusal) else (form, client)


def _refused(where: str, refusal: Refusal) -> Response:
    log.info("%s refused: %s (%s)", where, refusal.code, refusal.message)
    return oauth_error(refusal)
