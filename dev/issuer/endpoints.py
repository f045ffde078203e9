"""The endpoints that programs call: registration, pushed requests, tokens, userinfo. JSON only."""

import logging

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
        tokens: Tokens,
    ) -> None:
        self._clients = clients
        self._authentication = authentication
        self._pushed = pushed
        self._grants = grants
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
        """RFC 6749 §3.2."""
        come = await self._form_and_client(http)
        if isinstance(come, Refusal):
            return _refused("token", come)
        answer = self._grants.exchange(*come)
        if isinstance(answer, Refusal):
            return _refused("token", answer)
        return JSONResponse(answer, headers={"pragma": "no-cache"})

    async def userinfo(self, http: Request) -> Response:
        """OIDC Core §5.3; any of our access tokens with scope `openid` will do."""
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        claims = self._tokens.read_access_token(token) if scheme.lower() == "bearer" else None
        if claims is None:
            challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, 401, challenge)
        if "openid" not in claims["scope"].split():
            challenge = {"www-authenticate": 'Bearer error="insufficient_scope", scope="openid"'}
            return JSONResponse({"error": "insufficient_scope"}, 403, challenge)
        return JSONResponse({"sub": claims["sub"], "name": PEOPLE[claims["sub"]].name})

    async def _form_and_client(self, http: Request) -> tuple[Params, Client] | Refusal:
        form = await read_form(http)
        if isinstance(form, Refusal):
            return form
        client = self._authentication.authenticate(form, basic="authorization" in http.headers)
        return client if isinstance(client, Refusal) else (form, client)


def _refused(where: str, refusal: Refusal) -> Response:
    log.info("%s refused: %s (%s)", where, refusal.code, refusal.message)
    return oauth_error(refusal)
