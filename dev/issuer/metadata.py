"""What the issuer publishes about itself: RFC 8414 and OpenID Connect Discovery. Pure.

`host` is the `Host` by which it was asked: endpoints for programs are under that name.
"""

from typing import Any

from dev.issuer.client_keys import ALGORITHMS
from dev.issuer.keys import ALGORITHM
from dev.issuer.proofs import ALGORITHMS as PROOF_ALGORITHMS
from dev.issuer.settings import PUBLISHED_SCOPES, Settings

_AUTH_METHODS = ["none", "private_key_jwt"]


def authorization_server(settings: Settings, *, host: str = "") -> dict[str, Any]:
    """Authorization server metadata (RFC 8414 §2)."""
    return {
        "issuer": settings.issuer,
        "authorization_endpoint": settings.url("/authorize"),
        "token_endpoint": settings.url("/token", host=host),
        "jwks_uri": settings.url("/jwks", host=host),
        "registration_endpoint": settings.url("/register", host=host),
        "pushed_authorization_request_endpoint": settings.url("/par", host=host),
        "require_pushed_authorization_requests": False,
        "scopes_supported": list(PUBLISHED_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": _AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": list(settings.resources),
    }


def openid_configuration(settings: Settings, *, host: str = "") -> dict[str, Any]:
    """OpenID provider metadata (OpenID Connect Discovery 1.0 §3)."""
    return authorization_server(settings, host=host) | {
        "userinfo_endpoint": settings.url("/userinfo"),
        "end_session_endpoint": settings.url("/authorize/logout"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "acr_values_supported": ["0"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            *("iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "sid"),
            *("acr", "amr", "at_hash", "name"),
        ],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
