"""Pushed authorization requests (RFC 9126): sent by a client, used once by a browser."""

from collections.abc import Mapping

from dev.issuer.clients import Client, Clients
from dev.issuer.memory import ShortLived
from dev.issuer.requests import AuthorizationRequest, check, destination
from dev.issuer.settings import Settings
from shared.errors import Refusal

LIFETIME = 60
"""Seconds between the push and the browser's arrival."""
_PREFIX = "urn:ietf:params:oauth:request_uri:"


class PushedRequests:
    """Requests that wait for their browser."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._clients = clients
        self._resources = settings.resources
        self._waiting: ShortLived[AuthorizationRequest] = ShortLived(
            clock=settings.clock, seconds=LIFETIME
        )

    def push(self, form: Mapping[str, str], client: Client) -> str | Refusal:
        """The `request_uri` under which the request of `form` waits."""
        if "request_uri" in form:
            why = "request_uri cannot be pushed"
            return Refusal(code="invalid_request", message=why)
        to = destination({**form, "client_id": client.client_id}, self._clients)
        if isinstance(to, Refusal):
            return to
        request = check(form, to, self._resources)
        if isinstance(request, Refusal):
            return request
        return _PREFIX + self._waiting.put(request)

    def take(self, request_uri: str, client_id: str | None) -> AuthorizationRequest | Refusal:
        """The waiting request, which is gone afterwards, for the client that pushed it."""
        request = self._waiting.take(request_uri.removeprefix(_PREFIX))
        if request is None or request.destination.client.client_id != client_id:
            why = (
                "the request_uri is unknown, expired, used before or another client's; start again"
            )
            return Refusal(code="invalid_request_uri", message=why)
        return request
