"""What an authorization request asks for, and whether it may. Pure: no session, no clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dev.issuer.clients import Client, Clients
from dev.issuer.redirects import is_registered
from dev.issuer.settings import RESOURCE_SCOPES
from shared.errors import Refusal
from shared.foreign_json import foreign_json

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_MAX_STATE = 2048
_MAX_NONCE = 512
_MAX_AGE_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The client and where its person goes back to: as soon as both hold, errors go there too."""

    client: Client
    redirect_uri: str
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A request that was checked: a login is all that it still needs.

    `resource` is the audience of the access token, None when only the identity is asked for;
    `max_age` is in seconds; `code_challenge` is of method S256 (RFC 7636).
    """

    destination: Destination
    scope: tuple[str, ...]
    resource: str | None
    nonce: str | None
    code_challenge: str
    prompt: frozenset[str]
    max_age: int | None
    login_hint: str | None


def destination(params: Mapping[str, str], clients: Clients) -> Destination | Refusal:
    """Who asks and where the answer goes. A refusal here must be shown, never redirected."""
    client = clients.get(params.get("client_id"))
    if client is None:
        return Refusal(code="invalid_client", message="unknown client_id; register again")
    redirect_uri = params.get("redirect_uri", "")
    if not is_registered(redirect_uri, client.redirect_uris, any_port=client.native):
        return _invalid("redirect_uri is not one that this client registered")
    state = params.get("state")
    if state is not None and len(state) > _MAX_STATE:
        return _invalid(f"state is longer than {_MAX_STATE} characters")
    return Destination(client=client, redirect_uri=redirect_uri, state=state)


def check(
    params: Mapping[str, str], to: Destination, resources: tuple[str, ...]
) -> AuthorizationRequest | Refusal:
    """The request that `params` make; refusals carry the codes of RFC 6749, 8707 and OIDC Core."""
    for wrong in (_wrong_flow, _wrong_pkce, _wrong_nonce, _wrong_claims):
        if (problem := wrong(params)) is not None:
            return problem
    what = _what(params, to.client, resources)
    if isinstance(what, Refusal):
        return what
    how = _how(params)
    if isinstance(how, Refusal):
        return how
    return AuthorizationRequest(
        destination=to,
        scope=what[0],
        resource=what[1],
        nonce=params.get("nonce"),
        code_challenge=params["code_challenge"],
        prompt=how[0],
        max_age=how[1],
        login_hint=params.get("login_hint"),
    )


def _what(
    params: Mapping[str, str], client: Client, resources: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None] | Refusal:
    """Scope and resource."""
    scope = _scope(params, client)
    if isinstance(scope, Refusal):
        return scope
    resource = _resource(params, scope, resources)
    return resource if isinstance(resource, Refusal) else (scope, resource)


def _how(params: Mapping[str, str]) -> tuple[frozenset[str], int | None] | Refusal:
    """Prompt and max_age."""
    prompt = _prompt(params)
    if isinstance(prompt, Refusal):
        return prompt
    max_age = _max_age(params)
    return max_age if isinstance(max_age, Refusal) else (prompt, max_age)


def _wrong_flow(params: Mapping[str, str]) -> Refusal | None:
    if "request" in params:
        return Refusal(code="request_not_supported", message="request objects are not supported")
    if "response_type" not in params:
        return _invalid("response_type is missing")
    if params["response_type"] != "code":
        return Refusal(code="unsupported_response_type", message="response_type must be code")
    if params.get("response_mode", "query") != "query":
        return _invalid("response_mode must be query")
    return None


def _wrong_pkce(params: Mapping[str, str]) -> Refusal | None:
    if params.get("code_challenge_method") != "S256":
        return _invalid("PKCE is required, with code_challenge_method S256")
    if not _CHALLENGE.fullmatch(params.get("code_challenge", "")):
        return _invalid("code_challenge must be 43 characters of base64url (RFC 7636)")
    return None


def _wrong_nonce(params: Mapping[str, str]) -> Refusal | None:
    if len(params.get("nonce", "")) > _MAX_NONCE:
        return _invalid(f"nonce is longer than {_MAX_NONCE} characters")
    return None


def _wrong_claims(params: Mapping[str, str]) -> Refusal | None:
    """`claims` need only be well-formed: every ID token has `auth_time` and all else that is known.

    A request for one particular person is refused rather than ignored.
    """
    try:
        claims = foreign_json(params.get("claims", "{}"))
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        return _invalid("claims must be a JSON object")
    wanted = claims.get("id_token")
    if isinstance(wanted, dict) and isinstance(wanted.get("sub"), dict):
        return _invalid("claims cannot ask for one particular sub here")
    return None


def _scope(params: Mapping[str, str], client: Client) -> tuple[str, ...] | Refusal:
    wanted = dict.fromkeys(params.get("scope", RESOURCE_SCOPES[0]).split())
    if not wanted or not wanted.keys() <= client.scopes:
        allowed = " ".join(sorted(client.scopes))
        return Refusal(code="invalid_scope", message=f"this client may ask for: {allowed}")
    return tuple(wanted)


def _resource(
    params: Mapping[str, str], scope: tuple[str, ...], resources: tuple[str, ...]
) -> str | Refusal | None:
    for_resource = any(one in RESOURCE_SCOPES for one in scope)
    resource = params.get("resource", resources[0] if for_resource else None)
    if resource is None:
        return None
    if resource not in resources or not for_resource:
        known = " ".join(resources)
        return Refusal(
            code="invalid_target", message=f"tokens are issued for mcp scopes at {known}"
        )
    return resource


def _prompt(params: Mapping[str, str]) -> frozenset[str] | Refusal:
    prompt = frozenset(params.get("prompt", "").split())
    if not prompt <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        return _invalid("prompt must be none, or any of login, consent, select_account")
    return prompt


def _max_age(params: Mapping[str, str]) -> int | Refusal | None:
    text = params.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_AGE_DIGITS):
        return _invalid("max_age must be a number of seconds")
    return int(text)


def _invalid(why: str) -> Refusal:
    return Refusal(code="invalid_request", message=why)
